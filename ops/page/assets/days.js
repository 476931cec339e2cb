// The days of a table: where the rows of each are.

import { behind, card, h, meter, put, table, tag } from "./dom.js";
import { bytes, count, plural, seconds, since } from "./words.js";

// kinds are how a state is shown: its letter, what it is called, and how it looks.
const kinds = {
  hot: ["h", "hot: in the live table", "hot"], sealed: ["s", "sealed: moved aside", "sealed"], published: ["p", "published: files are written", "sealed"], "cut over": ["u", "cut over: files are read", "sealed"],
  cold: ["c", "cold: on S3", "cold"], late: ["l", "cold, late rows are hot", "cold"], loading: ["o", "loading", "restored"], restored: ["r", "restored", "restored"], released: ["e", "released", "restored"], retired: ["x", "retired", "gone"],
};
const kindOf = (d) => (d.late ? kinds.late : kinds[d.state] ?? ["?", d.state, "gone"]);
const WEEK = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

function month(name, first, days) {
  const cells = [...Array((first.getUTCDay() + 6) % 7).fill(undefined)];
  for (const d = new Date(first); d.getUTCMonth() === first.getUTCMonth(); d.setUTCDate(d.getUTCDate() + 1)) cells.push([d.getUTCDate(), days.get(d.toISOString().slice(0, 10))]);
  const weeks = [];
  while (cells.length) weeks.push(cells.splice(0, 7));
  const cell = (c) => {
    if (!c) return h("td");
    const [n, d] = c;
    if (!d) return h("td", {}, h("span", { class: "day" }, n, h("b", {}, "\u00a0")));
    const [letter, text, cls] = kindOf(d), fault = d.damaged || d.error;
    return h("td", {}, h("span", { class: `day ${cls} ${fault ? "fault" : d.doing ? "busy" : ""}`, title: `${d.day}: ${text}${d.doing ? `, ${d.doing.action} now` : ""}${fault ? `, ${d.error}` : ""}` }, n, h("b", {}, fault ? "!" : letter, d.doing && "›")));
  };
  return h("div", { class: "month" }, h("table", {}, h("caption", {}, name), h("thead", {}, h("tr", {}, WEEK.map((w) => h("th", { scope: "col" }, w)))), h("tbody", {}, weeks.map((w) => h("tr", {}, w.map(cell))))));
}

function months(all) {
  const days = new Map(all.map((d) => [d.day, d]));
  if (!all.length) return [];
  const last = new Date(`${all[all.length - 1].day.slice(0, 7)}-01T00:00:00Z`), out = [];
  for (const m = new Date(Math.max(new Date(`${all[0].day.slice(0, 7)}-01T00:00:00Z`), new Date(last).setUTCMonth(last.getUTCMonth() - 5))); m <= last; m.setUTCMonth(m.getUTCMonth() + 1)) {
    out.push(month(m.toLocaleDateString("en-GB", { month: "long", year: "numeric", timeZone: "UTC" }), new Date(m), days));
  }
  return out;
}

function doing(d, at) {
  const x = d.doing, share = x.of ? x.rows / x.of : 0, took = (new Date(at) - new Date(x.since)) / 1000;
  const left = share > 0.02 ? `, done in ${seconds((took / share) * (1 - share))}` : "";
  return h("div", {}, h("p", {}, h("b", {}, `${d.day}: ${x.what || x.action}`), x.of ? ` ${count(x.rows)} of ${count(x.of)} rows, ${Math.floor(100 * share)} %` : "", ` for ${since(at, x.since)}${left}`, x.waiting && [" ", tag("warn", `waits: ${x.waiting}`)]), meter(share));
}

export function days(name, alone) {
  const c = card(`days-${name.replace(/[^A-Za-z0-9_-]/g, "_")}`, alone ? "Days" : `Days of ${name}`, "");
  return {
    node: c.node,
    show(t, at) {
      c.note.textContent = t.planned ? `as of ${since(at, t.planned)} ago` : "not looked at yet";
      const counts = new Map();
      for (const d of t.days) { const k = kindOf(d); counts.set(k, [...(counts.get(k) ?? []), d]); }
      const busy = t.days.filter((d) => d.doing), faults = t.days.filter((d) => d.error);
      put(c.body,
        t.failing && h("p", {}, tag("bad", `passes fail for ${since(at, t.failing.since)}`), " ", h("span", { class: "error" }, t.failing.error)),
        t.lease.other && !t.lease.held && h("p", { class: "quiet" }, `Another compactor works: ${t.lease.other}`),
        busy.length > 0 && h("div", { class: "doing" }, busy.map((d) => doing(d, at))),
        faults.map((d) => h("p", {}, tag("bad", `${d.day} ${d.damaged ? "is damaged" : "failed"}`), " ", h("span", { class: "error" }, d.error))),
        t.days.length === 0 ? h("p", { class: "quiet" }, t.planned ? "No day has any rows." : "The first pass tells which days there are.") : h("div", { class: "months" }, months(t.days)),
        h("ul", { class: "legend" }, [...counts].map(([[letter, text], all]) => h("li", {}, h("b", {}, letter), ` ${text}: ${plural(all.length, "day", "days")}, ${bytes(all.reduce((n, d) => n + d.cold_bytes + d.local_bytes, 0))}`)), busy.length > 0 && h("li", {}, h("b", {}, "›"), " at work"), faults.length > 0 && h("li", {}, h("b", {}, "!"), " failed")),
        t.days.length > 0 && behind(`${c.node.id}-table`, "As a table", table("Days, newest first", [["day"], ["state"], ["rows in ClickHouse", "n"], ["rows on S3", "n"], ["next", "wide"]],
          [...t.days].reverse().map((d) => [d.day, kindOf(d)[1], count(d.hot_rows + d.sealed_rows), count(d.cold_rows), d.doing ? `${d.doing.action} now` : d.next ? `${d.next}${d.due ? `, ${d.due.slice(0, 10)}` : ""}` : "–"]))));
    },
  };
}

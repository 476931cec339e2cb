// What could not be stored: by reason, with some of it.

import { behind, card, h, meter, put, table, tag } from "./dom.js";
import { clock, count, percent, plural, since } from "./words.js";

export function rejects(id) {
  const c = card(`${id}-dlq`, "Dead letters", "w5");
  return {
    node: c.node,
    show(one, at) {
      const r = one.rejects, most = r.reasons[0]?.total ?? 1;
      c.note.textContent = `in ${r.topic}`;
      if (!r.total) return put(c.body, h("p", { class: "quiet" }, "None since the nodes began."));
      put(c.body,
        h("p", { class: "quiet" }, `${count(r.total)} since the nodes began, ${count(one.rates.rejected)} a second now`),
        r.high && h("p", {}, tag("warn", `Too many for ${since(at, r.high_since)}${r.minute_records ? `: ${percent(r.minute_rejected / r.minute_records)} of the last minute's records` : ""}`)),
        h("h3", {}, "By reason"),
        h("ul", { class: "reasons" }, r.reasons.map((x) => h("li", {}, h("span", {}, x.reason), meter(x.total / most, r.high ? "warn" : ""), h("span", { class: "n" }, count(x.total))))),
        r.samples.length > 0 && [h("h3", {}, `The newest, from ${plural(new Set(r.samples.map((x) => x.partition)).size, "partition", "partitions")}`),
          table("The newest dead letters", [["where", "name"], ["what is wrong"]], r.samples.slice(0, 3).map((x) => [`${x.partition}@${x.offset}`, [`${x.reason}: `, h("span", { class: "error" }, x.detail)]])),
          r.samples.length > 3 && behind(`${id}-dlq-table`, `All ${r.samples.length} samples`, table("Dead letters", [["where"], ["at"], ["reason"], ["what is wrong"]],
            r.samples.map((x) => [`${x.partition}@${x.offset}`, clock(x.at), x.reason, h("span", { class: "error" }, x.detail)])))]);
    },
  };
}

// Kafka to nodes to ClickHouse to S3, with what goes from each to the next.

import { card, h, put, s, tag } from "./dom.js";
import { bytes, count, plural, seconds } from "./words.js";

const station = (name, [level, what] = ["", ""], ...lines) => h("div", { class: `station ${level}` }, h("h3", {}, name, level && tag(level, what)), lines.flat().filter(Boolean).map((l) => h("p", {}, l)));

const pipe = (rate, unit, more, flows) => h("div", { class: flows ? "pipe" : "pipe none" }, h("b", {}, `${count(rate)} ${unit}`),
  s("svg", { class: "across", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" }, s("line", { x1: 0, x2: 100, y1: 6, y2: 6 })),
  s("svg", { class: "down", viewBox: "0 0 12 26", "aria-hidden": "true" }, s("line", { x1: 6, x2: 6, y1: 0, y2: 24 }), s("path", { d: "M2 20l4 5 4-5" })),
  h("span", {}, more));

const total = (all, of) => all.reduce((sum, one) => sum + (of(one) ?? 0), 0);

export function flow() {
  const c = card("flow", "Flow", "", "over the last half a minute");
  return {
    node: c.node,
    show(state) {
      const streams = state.streams ?? [], tables = state.tables ?? [], servers = state.clickhouse ?? [];
      const ids = new Set(state.findings.filter((f) => f.level === "bad").map((f) => f.id));
      const nodes = state.programs.filter((p) => p.kind === "ingest");
      const away = (state.peers ?? []).filter((p) => p.away_since);
      const lag = total(streams, (x) => x.backlog.records), behind = Math.max(0, ...streams.map((x) => x.backlog.seconds));
      const rate = (key) => total(streams, (x) => x.rates[key]);
      const paused = total(streams, (x) => x.lanes.filter((l) => l.paused_since).length);
      const cold = tables.flatMap((t) => t.days).filter((d) => d.cold_bytes > 0);
      const doing = tables.flatMap((t) => t.days).filter((d) => d.doing);
      const inserts = rate("inserts"), took = inserts > 0 ? total(streams, (x) => x.rates.inserts * x.rates.insert_seconds) / inserts : undefined;
      const chBad = ["clickhouse", "readonly", "disk"].some((id) => ids.has(id));
      put(c.body, h("div", { class: "flow" },
        station("Kafka", ids.has("kafka") || ids.has("offset") || ids.has("retention") ? ["bad", "trouble"] : undefined, `${count(lag)} records wait`, `the oldest for ${seconds(behind)}`, state.kafka?.length && plural(total(state.kafka, (k) => k.members), "member", "members")),
        pipe(rate("read_records"), "/s", `${bytes(rate("read_bytes"))}/s read`, rate("read_records") > 0),
        station(plural(nodes.length, "node", "nodes"), ids.has("away") || ids.has("no-node") ? ["bad", "away"] : ids.has("capacity") ? ["warn", "too few"] : away.length ? ["warn", "not all"] : undefined,
          away.length > 0 && `${plural(away.length, "program does", "programs do")} not answer`,
          `${total(nodes, (p) => p.cpu.used_cores).toFixed(1)} of ${total(nodes, (p) => p.cpu.cores)} cores`, `${plural(total(streams, (x) => x.in_flight.intents), "batch", "batches")} in flight`, paused > 0 && `${plural(paused, "lane is", "lanes are")} full`),
        pipe(rate("stored_rows"), "/s", `${bytes(rate("stored_bytes"))}/s stored`, rate("stored_rows") > 0),
        station("ClickHouse", chBad ? ["bad", "trouble"] : ids.has("clickhouse-slow") ? ["warn", "slow"] : undefined,
          took === undefined ? "no insert was acknowledged" : `an insert takes ${took < 0.095 ? `${Math.round(took * 1000)} ms` : seconds(took)}`,
          servers.length ? servers.flatMap((x) => (x.disks ?? []).map((d) => `${bytes(d.free_bytes)} free on ${d.name}`)) : undefined,
          rate("retries") > 0 && `${count(rate("retries"))} retries/s`),
        pipe(total(tables, (t) => t.rates.rows), "rows/s", tables.length ? `${bytes(total(tables, (t) => t.rates.bytes))}/s written` : "no compactor is asked", doing.length > 0),
        station("S3", state.findings.some((f) => ["day-damaged", "day-failed", "pass-failed"].includes(f.id)) ? ["bad", "trouble"] : undefined, tables.length ? `${plural(cold.length, "day is", "days are")} cold` : "not known here", tables.length > 0 && bytes(total(cold, (d) => d.cold_bytes)), doing.length > 0 && `${plural(doing.length, "day", "days")} on the way`)));
    },
  };
}

// A stream: how fresh, how far behind, what waits for what.

import { behind, card, figure, h, put, table, tag } from "./dom.js";
import { BarChart, LineChart } from "./chart.js";
import { clock, count, plural, seconds, since } from "./words.js";
import { rejects } from "./rejects.js";

const PROMISE = 5;
const RETENTION_LOW = 6 * 3600; // from which on it is a finding
const late = (x) => (x > PROMISE ? "late" : undefined);
const axis = (v) => (v < 60 ? `${v} s` : v < 3600 ? `${v / 60} min` : `${v / 3600} h`);

function freshness(id) {
  const c = card(`${id}-fresh`, "Freshness", "w8", "from Kafka's timestamp until ClickHouse has it");
  const figures = h("dl", { class: "figures" }), tables = h("div");
  const chart = new LineChart({
    name: "Freshness over the last 15 minutes", time: true, wash: "s3",
    unit: (v, exact) => (exact ? seconds(v) : axis(v)), limit: { at: PROMISE, name: "promise: 5 s" },
    lines: [{ name: "oldest that waits", cls: "s3", of: (x) => x.oldest_seconds }, { name: "p99", cls: "s1", of: (x) => x.p99_seconds }, { name: "p50", cls: "s2", of: (x) => x.p50_seconds }],
  });
  c.body.append(figures, chart.node, tables);
  return {
    node: c.node,
    show(one, canary) {
      const f = one.freshness;
      put(figures, figure("p50, last minute", seconds(f.p50_seconds), late(f.p50_seconds)), figure("p99, last minute", seconds(f.p99_seconds), late(f.p99_seconds)), figure("oldest that waits", seconds(f.waiting_seconds), late(f.waiting_seconds)),
        canary && figure("canary p99", seconds(canary.p99_seconds), late(Math.max(canary.p99_seconds ?? 0, canary.waiting_seconds))));
      const worst = Math.max(0, ...one.history.map((x) => Math.max(x.p99_seconds ?? 0, x.oldest_seconds)));
      chart.show(one.history, `The worst of it is ${seconds(worst)}; the promise is ${PROMISE} seconds.`);
      put(tables, behind(`${id}-fresh-table`, "As a table", table("Freshness by five seconds, newest first", [["at"], ["p50", "n"], ["p99", "n"], ["oldest that waits", "n"]],
        [...one.history].reverse().map((x) => [clock(x.at), seconds(x.p50_seconds), seconds(x.p99_seconds), seconds(x.oldest_seconds)]))));
    },
  };
}

// keeps is how long there is to store what waits, of the partition that has least. While
// Kafka does not answer that runs out unseen, so nothing is said.
function keeps(kafka) {
  const known = (kafka?.up && kafka.partitions?.filter((p) => p.retention_seconds !== undefined)) || [];
  if (known.length === 0) return undefined;
  const least = known.reduce((a, b) => (b.retention_seconds < a.retention_seconds ? b : a));
  const of = h("small", {}, ` partition ${least.partition}`);
  if (least.gone_records) return figure("Kafka has deleted, not stored", [count(least.gone_records), of], "late");
  return figure("Kafka keeps what waits, as it deletes now", [`${seconds(least.retention_seconds)} more`, of], least.lag_records > 0 && least.retention_seconds < RETENTION_LOW ? "late" : undefined);
}

function drain(id) {
  const c = card(`${id}-drain`, "Backlog", "w4");
  return {
    node: c.node,
    show(one, kafka) {
      const b = one.backlog, is = b.seconds > PROMISE;
      const eta = b.left_seconds === undefined ? (is ? "not at this rate" : "–") : b.left_seconds === 0 ? "now" : `in ${seconds(b.left_seconds)}`;
      put(c.body, h("dl", { class: "figures" }, figure("records not stored", count(b.records), late(b.seconds)), figure("caught up", eta, is && b.left_seconds === undefined ? "late" : undefined), keeps(kafka)),
        h("h3", {}, "A second"), table("Rates", [["what"], ["records", "n"]], [
          ["arriving", count(b.arriving)], ["done", count(b.done)], ["read from Kafka", count(one.rates.read_records)], ["stored in ClickHouse", count(one.rates.stored_rows)], ["duplicates left out", count(one.rates.duplicates)], ["rejected", count(one.rates.rejected)]]));
    },
  };
}

function throughput(id) {
  const c = card(`${id}-rates`, "Throughput", "w6", "records a second");
  const tables = h("div");
  const chart = new LineChart({
    name: "Records read from Kafka and stored in ClickHouse over the last 15 minutes", unit: (v) => count(v), wash: "s1",
    lines: [{ name: "read", cls: "s1", of: (x) => x.read }, { name: "stored", cls: "s2", of: (x) => x.stored }],
  });
  c.body.append(chart.node, tables);
  return {
    node: c.node,
    show(one) {
      chart.show(one.history, `Now ${count(one.rates.read_records)} are read and ${count(one.rates.stored_rows)} stored.`);
      put(tables, behind(`${id}-rates-table`, "As a table", table("Throughput by five seconds, newest first", [["at"], ["read", "n"], ["stored", "n"], ["rejected", "n"]],
        [...one.history].reverse().map((x) => [clock(x.at), count(x.read), count(x.stored), count(x.rejected)]))));
    },
  };
}

function lag(id) {
  const c = card(`${id}-lag`, "Lag by partition", "w6");
  const tables = h("div");
  const chart = new BarChart("Age of the oldest record that is not stored, by partition", axis);
  c.body.append(chart.node, tables);
  return {
    node: c.node,
    show(one, kafka) {
      // While no node owns a partition Kafka says how far behind it is.
      const outside = one.partitions.length === 0 && kafka?.partitions;
      const all = outside ? kafka.partitions.map((p) => ({ ...p, node: "nobody" })) : one.partitions;
      const hot = all.filter((p) => p.hot);
      c.note.textContent = `${plural(all.length, "partition", "partitions")}${hot.length ? `, hot: ${hot.map((p) => p.partition).join(", ")}` : ", none is hot"}`;
      const worst = all.reduce((w, p) => (p.lag_seconds > (w?.lag_seconds ?? -1) ? p : w), undefined);
      chart.show(all.map((p) => ({ name: p.partition, value: p.lag_seconds, hot: p.hot })), worst ? `The worst is partition ${worst.partition}, ${seconds(worst.lag_seconds)} behind.` : "There are none.");
      put(tables, behind(`${id}-lag-table`, "As a table", table("Lag by partition", [["partition"], ["node", "name"], ["records", "n"], ["oldest", "n"], ["arriving/s", "n wide"], ["committed", "n wide"]],
        all.map((p) => [h("span", {}, String(p.partition), p.hot && [" ", tag("warn", "hot")]), p.node, count(p.lag_records), seconds(p.lag_seconds), count(p.arriving), p.committed >= 0 ? String(p.committed) : "–"]))));
    },
  };
}

function pressure(id) {
  const c = card(`${id}-pressure`, "On the way to ClickHouse", "w7");
  return {
    node: c.node,
    show(one, at) {
      const paused = one.lanes.filter((l) => l.paused_since), open = one.open_breakers ?? [], settling = one.settling ?? [], failing = one.failing ?? [];
      const longest = paused.map((l) => l.paused_since).sort()[0];
      put(c.body, h("dl", { class: "facts" },
        h("div", {}, h("dt", {}, "Circuit breaker"), h("dd", {}, open.length ? tag("bad", `open on ${plural(open.length, "node", "nodes")}, ${since(at, open.map((b) => b.since).sort()[0])}`) : tag("good", "closed"))),
        h("div", {}, h("dt", {}, "Backpressure"), h("dd", {}, paused.length ? tag("warn", `${paused.length} of ${plural(one.lanes.length, "lane", "lanes")} full, ${since(at, longest)}`) : tag("good", "none"))),
        h("div", {}, h("dt", {}, "In flight"), h("dd", {}, plural(one.in_flight.intents, "batch", "batches"))),
        h("div", {}, h("dt", {}, "Settling"), h("dd", {}, settling.length ? tag("warn", plural(settling.length, "partition", "partitions")) : "none")),
        h("div", {}, h("dt", {}, "An insert"), h("dd", {}, one.rates.inserts > 0 ? `${Math.round(one.rates.insert_seconds * 1000)} ms, ${count(one.rates.stored_rows / one.rates.inserts)} rows` : "none")),
        h("div", {}, h("dt", {}, "Retries"), h("dd", {}, `${count(one.rates.retries)} /s`))),
      h("h3", {}, "What fails"),
      failing.length === 0 ? h("p", { class: "quiet" }, "Nothing.") : table("What fails, by node", [["node", "name"], ["what"], ["for", "n wide"], ["times", "n wide"], ["last error"]],
        failing.map((f) => [f.node, f.what, since(at, f.since), String(f.times), h("span", { class: "error" }, f.error)])));
    },
  };
}

// stream is all of one.
export function stream(name, alone) {
  const id = `stream-${name.replace(/[^A-Za-z0-9_-]/g, "_")}`;
  const parts = [freshness(id), drain(id), throughput(id), lag(id), pressure(id), rejects(id)];
  return {
    id,
    node: h("div", { class: "stream" }, !alone && h("h2", { class: "stream-name" }, `Stream ${name}`), h("div", { class: "grid" }, parts.map((p) => p.node))),
    show(one, state) {
      const [fresh, left, rates, lags, way, dead] = parts;
      fresh.show(one, state.canary?.find((c) => c.stream === one.name));
      const kafka = state.kafka?.find((k) => k.stream === one.name);
      left.show(one, kafka);
      rates.show(one);
      lags.show(one, kafka);
      way.show(one, state.at);
      dead.show(one, state.at);
    },
  };
}

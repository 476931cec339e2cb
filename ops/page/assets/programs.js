// The programs that are asked, and ClickHouse as the watcher sees it.

import { behind, card, h, meter, put, table, tag } from "./dom.js";
import { bytes, count, percent, plural, since } from "./words.js";

const fill = (share) => (share > 1 ? "bad" : share > 0.9 ? "warn" : "");

export function programs() {
  const c = card("programs", "Programs", "");
  return {
    node: c.node,
    show(state) {
      const away = (state.peers ?? []).filter((p) => p.away_since);
      c.note.textContent = [...new Set(state.programs.map((p) => p.version))].join(", ");
      const owned = (name) => (state.streams ?? []).flatMap((x) => x.partitions).filter((p) => p.node === name).length;
      const rows = away.map((p) => [p.name, p.kind ?? "–", h("span", {}, tag("bad", `no answer for ${since(state.at, p.away_since)}`), " ", h("span", { class: "error" }, p.error)), "–", "–", "–", "–"]);
      for (const p of state.programs) {
        const m = p.memory, share = m.budget_bytes ? m.used_bytes / m.budget_bytes : 0;
        rows.push([p.name, p.kind, p.draining ? tag("note", "drained") : p.problems?.length ? tag("warn", "not ready") : tag("good", "ready"),
          p.kind === "ingest" ? String(owned(p.name)) : "–",
          h("span", {}, `${p.cpu.used_cores.toFixed(1)} of ${p.cpu.cores}`, meter(p.cpu.used_cores / p.cpu.cores, fill(p.cpu.used_cores / p.cpu.cores))),
          h("span", {}, bytes(m.used_bytes), m.budget_bytes ? ` of ${bytes(m.budget_bytes)}` : "", m.budget_bytes ? meter(share, fill(share)) : undefined),
          p.started ? since(state.at, p.started) : "–"]);
      }
      put(c.body, table("Programs", [["name", "name"], ["does", "wide"], ["is"], ["partitions", "n wide"], ["cores"], ["memory", "wide"], ["runs for", "n wide"]], rows),
        behind("settings", "Settings in force", table("Settings", [["program", "name wide"], ["key", "name"], ["value", "name"]], state.programs.flatMap((p) => (p.settings ?? []).map((x) => [p.name, x.key, x.value])))));
    },
  };
}

export function servers() {
  const c = card("clickhouse", "ClickHouse", "", "as the watcher sees it");
  return {
    node: c.node,
    show(state) {
      put(c.body, table("ClickHouse servers", [["server", "name"], ["is"], ["parts", "wide"], ["disk"]], state.clickhouse.map((x) => [x.name,
        !x.up ? h("span", {}, tag("bad", "no answer"), " ", h("span", { class: "error" }, x.error)) : x.readonly_replicas ? tag("bad", `${plural(x.readonly_replicas, "replica", "replicas")} read-only`) : tag("good", "up"),
        h("span", {}, (x.parts ?? []).map((p) => h("div", {}, `${p.table}: ${count(p.partition_max)} of ${count(p.delay_limit)} in its fullest partition`, meter(p.partition_max / p.delay_limit, fill(p.partition_max / p.delay_limit))))),
        h("span", {}, (x.disks ?? []).map((d) => h("div", {}, `${d.name}: ${bytes(d.free_bytes)} free, ${percent(d.free_bytes / d.total_bytes)}`, meter(1 - d.free_bytes / d.total_bytes, d.free_bytes / d.total_bytes < 0.1 ? "bad" : d.free_bytes / d.total_bytes < 0.2 ? "warn" : "")))),
      ])));
    },
  };
}

// Asks how things are every two seconds, and shows it.

import { h, put } from "./dom.js";
import { days } from "./days.js";
import { flow } from "./flow.js";
import { showHeadline } from "./headline.js";
import { programs, servers } from "./programs.js";
import { stream } from "./stream.js";
import { clock, seconds } from "./words.js";

const EVERY = 2000, TIMEOUT = 4000;
const at = (id) => document.getElementById(id);

let sights = { key: "", parts: [] }; // what is shown, made once for the same streams and tables
let answered; // when the last answer came, by this machine's clock

function lay(state) {
  const streams = state.streams ?? [], tables = state.tables ?? [];
  const key = JSON.stringify([streams.map((x) => x.name), tables.map((t) => [t.name, t.node]), Boolean(state.clickhouse?.length)]);
  if (key === sights.key) return;
  const parts = [];
  const add = (part, name, show) => parts.push({ part, name, show });
  const f = flow();
  add(f, "Flow", (now) => f.show(now));
  streams.forEach((one, i) => {
    const p = stream(one.name, streams.length === 1);
    add(p, streams.length === 1 ? "Freshness" : one.name, (now) => p.show(now.streams[i], now));
  });
  tables.forEach((t, i) => {
    const p = days(t.name, tables.length === 1);
    add(p, tables.length === 1 ? "Days" : `Days of ${t.name}`, (now) => p.show(now.tables[i], now.at));
  });
  if (state.clickhouse?.length) { const p = servers(); add(p, "ClickHouse", (now) => p.show(now)); }
  const p = programs();
  add(p, "Programs", (now) => p.show(now));
  sights = { key, parts };
  for (const { part } of parts) part.id ??= part.node.id;
  for (const { part } of parts) part.node.id ||= part.id;
  at("sights").replaceChildren(...parts.map((x) => x.part.node));
  put(at("sections"), parts.map((x) => h("li", {}, h("a", { href: `#${x.part.node.id}`, "data-key": `nav-${x.part.id}` }, x.name))));
}

async function ask() {
  try {
    const answer = await fetch("/state", { signal: AbortSignal.timeout(TIMEOUT), headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const state = await answer.json();
    answered = Date.now();
    lay(state);
    showHeadline(at("headline"), at("live"), state);
    for (const { show } of sights.parts) show(state);
    at("clock").textContent = `as of ${clock(state.at)}`;
    fresh();
  } catch (error) {
    stale(error);
  }
}

function fresh() {
  document.body.classList.remove("is-stale");
  at("stale").hidden = true;
}

// What is shown is not how things are now. A screen reader hears so once.
function stale(error) {
  document.body.classList.add("is-stale");
  const line = at("stale"), text = answered ? `Stale since ${clock(answered)}: the program at ${location.host} does not answer` : `The program at ${location.host} does not answer: ${error.message}`;
  if (line.hidden || line.dataset.text !== text) Object.assign(line, { hidden: false, textContent: `${text}.` }).dataset.text = text;
  document.title = "▲ Stale: Penstock";
  at("clock").textContent = answered ? `stale for ${seconds((Date.now() - answered) / 1000)}` : "no answer";
}

// One question at a time, and none while nobody looks.
async function run() {
  if (!document.hidden) await ask();
  setTimeout(run, EVERY);
}
document.addEventListener("visibilitychange", () => document.hidden || ask());
run();

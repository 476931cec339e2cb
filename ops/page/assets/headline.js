// What is to be said first: how things are, why, and what to do.

import { h, put, shape } from "./dom.js";
import { together } from "./words.js";

const NAMES = { good: "All is well", warn: "Needs a look", bad: "Act now", note: "For your information" };

const cause = (f) => h("dl", { class: "cause" },
  h("div", {}, h("dt", {}, "Why"), h("dd", {}, f.why || "–")),
  h("div", {}, h("dt", {}, "What to do"), h("dd", {}, f.do, f.runbook && [h("br"), h("a", { class: "book", href: `/runbooks/${f.runbook}`, "data-key": `book-${f.id}-${f.of ?? ""}` }, `Runbook: ${f.runbook}`)])));

export function showHeadline(node, live, state) {
  const { headline, findings } = state;
  const first = findings.find((f) => f.level === "bad" || f.level === "warn");
  const others = findings.filter((f) => f !== first);
  put(node,
    h("p", { class: `sign ${headline.level}` }, shape(headline.level), NAMES[headline.level]),
    h("h1", { id: "said" }, together(`${headline.text}.`)),
    first && cause(first),
    others.length > 0 && h("div", { class: "others" }, others.map((f) => h("details", { "data-key": `${f.id}-${f.of ?? ""}-${f.level}` },
      h("summary", { "data-key": `sum-${f.id}-${f.of ?? ""}-${f.level}` }, shape(f.level), h("span", { class: "what" }, f.of ? `${f.of}: ${f.what}` : f.what)), cause(f)))));
  // It is read out when something else is found, not when seconds have passed.
  const kind = `${headline.level} ${first?.id ?? ""} ${first?.of ?? ""}`;
  if (live.dataset.kind !== kind) {
    live.dataset.kind = kind;
    live.textContent = `${NAMES[headline.level]}: ${headline.text}.`;
  }
  document.title = headline.level === "good" ? "Penstock: all is well" : `${headline.level === "bad" ? "■" : "▲"} ${headline.text}`;
}

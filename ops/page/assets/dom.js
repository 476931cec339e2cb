// How elements are made and put in place. Text is always text: nothing that a program or
// a device said is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "style") Object.assign(node.style, value); // by the object model, which the policy allows
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return node;
}

export const h = (name, attributes, ...children) => make(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) => make(document.createElementNS(SVG, name), attributes, children);

// put replaces what is in a node. What had the focus has it again, if something of the
// same key is there still, and what was open stays open.
export function put(node, ...children) {
  const focus = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...node.querySelectorAll("details[open][data-key]")].map((d) => d.dataset.key));
  const scrolled = new Map([...node.querySelectorAll(".scroll[data-key]")].map((d) => [d.dataset.key, d.scrollTop]));
  node.replaceChildren(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  for (const d of node.querySelectorAll("details[data-key]")) d.open = open.has(d.dataset.key);
  for (const d of node.querySelectorAll(".scroll[data-key]")) d.scrollTop = scrolled.get(d.dataset.key) ?? 0;
  if (focus) node.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

// card is a part of the page: a section with a name, which the page is found by.
export function card(id, name, size, aside) {
  const body = h("div");
  const note = h("p", { class: "aside push" }, aside ?? "");
  const node = h("section", { class: `card ${size ?? ""}`, id, "aria-labelledby": `${id}-name`, tabindex: "-1" },
    h("header", {}, h("h2", { id: `${id}-name` }, name), note), body);
  return { node, body, note };
}

// table is a table with a caption for those who do not see what is around it. Columns are
// [name, class]; rows are arrays of cells, the first of which names the row.
export function table(caption, columns, rows) {
  return h("table", {}, h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, columns.map(([name, cls]) => h("th", { scope: "col", class: cls }, name)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, i) =>
      i === 0 ? h("th", { scope: "row", class: columns[i][1] }, cell) : h("td", { class: columns[i][1] }, cell))))));
}

// behind is the table that is behind a chart.
export const behind = (key, name, make) => h("details", { class: "behind", "data-key": key }, h("summary", { "data-key": `${key}-summary` }, name),
  h("div", { class: "scroll", "data-key": `${key}-scroll`, tabindex: "0", role: "region", "aria-label": name }, make));

// shape says how bad something is by its form too: a disc, a triangle, a square, a ring.
export function shape(level) {
  const forms = { good: "M5.5 0a5.5 5.5 0 1 0 .01 0z", warn: "M5.5 0 11 10.5H0z", bad: "M.5.5h10v10H.5z", note: "M5.5 0a5.5 5.5 0 1 0 .01 0zm0 2.6a2.9 2.9 0 1 1-.01 0z" };
  return s("svg", { class: `shape ${level}`, viewBox: "0 0 11 11", "aria-hidden": "true" }, s("path", { d: forms[level] ?? forms.note }));
}

// tag is a word or some with their shape, which stays with the first of them.
export function tag(level, text) {
  const [first, ...rest] = text.split(" ");
  return h("span", { class: `tag ${level}` }, h("span", {}, shape(level), first), rest.length > 0 && ` ${rest.join(" ")}`);
}

export const figure = (name, value, cls) => h("div", {}, h("dt", {}, name), h("dd", { class: cls }, value));

export function meter(share, level) {
  return h("span", { class: `meter ${level ?? ""}`, "aria-hidden": "true" }, h("i", { style: { width: `${Math.min(100, 100 * share).toFixed(1)}%` } }));
}

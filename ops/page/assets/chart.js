// Charts of a history. What they show is in a table behind each, too.

import { h, s } from "./dom.js";
import { minute, clock } from "./words.js";

const HEIGHT = 168, LEFT = 46, RIGHT = 8, TOP = 10, BOTTOM = 22;

// steps returns where lines of a grid are: round numbers, of seconds also 30, 60 and so on.
function steps(max, time) {
  const fit = (time ? [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800] : [1, 2, 5].flatMap((f) => [...Array(13).keys()].map((e) => f * 10 ** e)).sort((a, b) => a - b));
  const step = fit.find((f) => max / f <= 4) ?? max;
  return [...Array(Math.floor(max / step) + 1).keys()].map((i) => i * step);
}

// line draws lines over time into a node that keeps its size. Lines are {name, cls, of, say};
// of gives a sample's number, or nothing where there is a gap. Wash fills what is below the
// first one.
export class LineChart {
  constructor({ name, lines, limit, unit, time, wash }) {
    Object.assign(this, { name, lines, limit, unit, time, wash, samples: [] });
    this.svg = s("svg", { class: "chart", role: "img", "aria-label": name, height: HEIGHT });
    this.readout = h("p", { class: "readout", "aria-hidden": "true" });
    this.node = h("figure", { class: "line" }, h("ul", { class: "keys", "aria-hidden": "true" }, lines.map((l) => h("li", {}, s("svg", {}, s("line", { class: l.cls, x1: 0, x2: 18, y1: 4, y2: 4 })), l.name))), this.readout, this.svg);
    new ResizeObserver(() => this.draw()).observe(this.node);
    this.svg.addEventListener("pointermove", (e) => this.point(e));
    this.svg.addEventListener("pointerleave", () => { this.at = undefined; this.draw(); });
  }

  show(samples, label) {
    this.samples = samples;
    this.svg.setAttribute("aria-label", `${this.name}. ${label}`);
    this.draw();
  }

  point(e) {
    const box = this.svg.getBoundingClientRect();
    const share = (e.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    this.at = Math.round(share * (this.samples.length - 1));
    this.draw();
  }

  draw() {
    const width = this.node.clientWidth;
    if (!width) return;
    const { samples } = this, right = width - RIGHT, bottom = HEIGHT - BOTTOM;
    let max = this.limit ? this.limit.at * 1.25 : 1;
    for (const l of this.lines) for (const x of samples) max = Math.max(max, (l.of(x) ?? 0) * 1.08);
    const x = (i) => LEFT + (right - LEFT) * (samples.length > 1 ? i / (samples.length - 1) : 1);
    const y = (v) => bottom - (bottom - TOP) * (v / max);
    const grid = steps(max, this.time).map((v) => [
      s("line", { class: "grid-line", x1: LEFT, x2: right, y1: Math.round(y(v)), y2: Math.round(y(v)) }),
      s("text", { x: LEFT - 8, y: y(v) + 4, "text-anchor": "end" }, this.unit(v))]);
    const times = [];
    if (samples.length > 1) {
      const marks = width > 520 ? 4 : 2, short = new Date(samples[samples.length - 1].at) - new Date(samples[0].at) < 300_000;
      for (let m = 0; m <= marks; m++) {
        const i = Math.round((m * (samples.length - 1)) / marks);
        times.push(s("text", { x: x(i), y: HEIGHT - 4, "text-anchor": m === 0 ? "start" : m === marks ? "end" : "middle" }, m === marks ? "now" : (short ? clock : minute)(samples[i].at)));
      }
    }
    const paths = this.lines.map((l) => {
      let d = "", pen = "M", first, last;
      samples.forEach((sample, i) => {
        const v = l.of(sample);
        if (v === undefined || v === null) { pen = "M"; return; }
        d += `${pen}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
        first ??= i; last = i; pen = "L";
      });
      const wash = this.wash === l.cls && d && !d.slice(1).includes("M") ? s("path", { class: "wash", d: `${d}L${x(last)} ${bottom}L${x(first)} ${bottom}Z` }) : undefined;
      return [wash, s("path", { class: l.cls, d })];
    });
    const limit = this.limit && [
      s("line", { class: "limit", x1: LEFT, x2: right, y1: y(this.limit.at), y2: y(this.limit.at) }),
      s("text", { class: "limit-name", x: LEFT + 6, y: y(this.limit.at) - 5 }, this.limit.name)];
    const sample = samples[this.at];
    const cursor = sample && s("line", { class: "cursor", x1: x(this.at), x2: x(this.at), y1: TOP, y2: bottom });
    this.readout.textContent = sample ? `${clock(sample.at)}: ${this.lines.map((l) => `${l.name} ${l.of(sample) === undefined ? "none" : this.unit(l.of(sample), true)}`).join(", ")}` : "";
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(...[grid, paths.map((p) => p[0]), times, paths.map((p) => p[1]), limit, cursor].flat(3).filter(Boolean));
  }
}

// BarChart draws a bar for each partition, the hot ones with a flag and a name.
export class BarChart {
  constructor(name, unit) {
    Object.assign(this, { name, unit, bars: [] });
    this.svg = s("svg", { class: "chart bars", role: "img", "aria-label": name, height: HEIGHT });
    this.node = h("figure", {}, this.svg);
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  show(bars, label) {
    this.bars = bars;
    this.svg.setAttribute("aria-label", `${this.name}. ${label}`);
    this.draw();
  }

  draw() {
    const width = this.node.clientWidth, { bars } = this;
    if (!width || !bars.length) return this.svg.replaceChildren();
    const right = width - RIGHT, bottom = HEIGHT - BOTTOM, top = 26;
    const max = Math.max(6, ...bars.map((b) => b.value * 1.08));
    const y = (v) => bottom - (bottom - top) * (v / max), step = (right - LEFT) / bars.length, gap = step > 6 ? Math.min(step * 0.28, 6) : 0.6;
    const every = Math.ceil((bars.length * 24) / (right - LEFT));
    const grid = steps(max, true).map((v) => [
      s("line", { class: "grid-line", x1: LEFT, x2: right, y1: Math.round(y(v)), y2: Math.round(y(v)) }),
      s("text", { x: LEFT - 8, y: y(v) + 4, "text-anchor": "end" }, this.unit(v))]);
    const drawn = bars.map((b, i) => {
      const x = LEFT + i * step + gap / 2, w = Math.max(1, step - gap), at = Math.min(y(b.value), bottom - 1.5), mid = x + w / 2;
      return [
        s("rect", { class: b.hot ? "hot" : "", x, width: w, y: at, height: bottom - at, rx: Math.min(2, w / 4) }),
        b.hot && [s("path", { class: "flag", d: `M${mid - 5} ${at - 11}h10l-5 8z` }),
          s("text", { class: "hot-name", x: mid, y: at - 15, "text-anchor": mid < LEFT + 30 ? "start" : mid > right - 30 ? "end" : "middle" }, "hot")],
        (i % every === 0 || b.hot) && s("text", { x: mid, y: HEIGHT - 5, "text-anchor": "middle" }, b.name)];
    });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(...[grid, drawn, s("line", { class: "base", x1: LEFT, x2: right, y1: bottom, y2: bottom }),
      s("line", { class: "limit", x1: LEFT, x2: right, y1: y(5), y2: y(5) })].flat(3).filter(Boolean));
  }
}

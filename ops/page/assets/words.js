// Numbers as people read them; the same as package state writes them.

export function seconds(x) {
  if (x === undefined || x === null) return "–";
  const n = Math.round(x);
  if (x < 9.95) return `${x.toFixed(1)} s`;
  if (n < 60) return `${n} s`;
  if (n < 3600) return `${Math.floor(n / 60)} min ${String(n % 60).padStart(2, "0")} s`;
  if (n < 86400) return `${Math.floor(n / 3600)} h ${String(Math.floor(n / 60) % 60).padStart(2, "0")} min`;
  return `${Math.floor(n / 86400)} d ${Math.floor((n / 3600) % 24)} h`;
}

const three = (v) => v.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.max(1, v)))));

export function count(n) {
  if (n === undefined || n === null) return "–";
  for (const [of, name, least] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k", 1e4]]) {
    if (n >= (least ?? of) * 0.9995) return `${three(n / of)} ${name}`;
  }
  if (n >= 999.5) return Math.round(n).toLocaleString("en-US");
  return n > 0 && n < 9.95 && !Number.isInteger(n) ? n.toFixed(1) : n.toFixed(0);
}

export function bytes(n) {
  let i = 0;
  for (; n >= 999.5 && i < 6; i++) n /= 1000;
  return i === 0 ? `${n.toFixed(0)} B` : `${three(n)} ${" kMGTPE"[i]}B`;
}

// together keeps a number on the line of its unit.
export const together = (text) => text.replace(/(\d) (?=\S)/g, "$1\u00a0");

export const clock = (t) => new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
export const minute = (t) => new Date(t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
export const since = (now, then) => seconds(Math.max(0, (new Date(now) - new Date(then)) / 1000));
export const plural = (n, one, more) => (n === 1 ? `1 ${one}` : `${n} ${more}`);
export const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

// A chart of the last ten minutes: lines that differ in colour and stroke, and a line of text that says the values, of now or of the moment that
// the pointer or the arrow keys are at.

import {el, say, svg} from "/dashboard/dom.js";
import {clock} from "/dashboard/format.js";
import {KEPT_SECONDS} from "/dashboard/history.js";

const HEIGHT = 190;
const LEFT = 74;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 24;

// The next number that is 1, 2 or 5 times a power of ten.
function rounded(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((each) => each * power >= value * 0.999) * power;
}

export class Chart {
  // `series`: [{name, field, kind}]; `text(value)` says a value, `factor` makes its unit of the stored one, for round numbers at the axis.
  constructor(place, series, {text, factor, least}) {
    Object.assign(this, {place, series, text, factor, least, history: null, now: 0, cursor: null});
    this.readout = el("p", {class: "readout"});
    this.picture = svg("svg", {class: "plot", tabindex: 0, role: "img", height: HEIGHT});
    place.append(this.readout, this.picture);
    this.picture.addEventListener("pointermove", (event) => this.pointAt(event.offsetX));
    this.picture.addEventListener("pointerleave", () => this.pointAt(null));
    this.picture.addEventListener("blur", () => this.pointAt(null));
    this.picture.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.draw()).observe(place);
  }

  show(history, now) {
    Object.assign(this, {history, now});
    this.draw();
  }

  get samples() { return this.history ? this.history.samples : []; }

  x(at) { return LEFT + (1 - (this.now - at) / KEPT_SECONDS) * (this.width - LEFT - RIGHT); }

  pointAt(x) {
    this.cursor = null;
    if (x !== null && this.samples.length) {
      const near = this.samples.reduce((best, each) => (Math.abs(this.x(each.at) - x) < Math.abs(this.x(best.at) - x) ? each : best));
      this.cursor = near.at;
    }
    this.draw();
  }

  press(event) {
    const samples = this.samples;
    if (!samples.length || !["ArrowLeft", "ArrowRight", "Home", "End", "Escape"].includes(event.key)) return;
    event.preventDefault();
    const found = samples.findIndex((each) => each.at === this.cursor);
    const place = found < 0 ? samples.length : found;
    const next = {ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: samples.length - 1}[event.key];
    this.cursor = next === undefined ? null : samples[Math.max(0, Math.min(samples.length - 1, next))].at;
    this.draw();
  }

  words(sample) { return this.series.map(({name, field}) => `${name} ${this.text(sample[field])}`).join(", "); }

  draw() {
    this.width = Math.max(240, this.place.clientWidth);
    const samples = this.samples;
    const values = samples.flatMap((each) => this.series.map(({field}) => each[field])).filter((value) => value !== null);
    const top = rounded(Math.max(this.least, ...values) * this.factor) / this.factor;
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const parts = [];
    for (const part of [0, 0.5, 1]) {
      parts.push(svg("line", {class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: y(top * part), y2: y(top * part)}));
      parts.push(svg("text", {class: "axis", x: LEFT - 8, y: y(top * part) + 4, "text-anchor": "end",
        text: this.text(top * part).replace(/\.0+ /, " ")}));
    }
    for (const minutes of [10, 5, 0]) {
      const anchor = minutes === 10 ? "start" : minutes === 0 ? "end" : "middle";
      const label = minutes === 0 ? "now" : `${minutes} min ago`;
      parts.push(svg("text", {
        class: "axis", x: this.x(this.now - minutes * 60), y: HEIGHT - 6, "text-anchor": anchor, text: label}));
    }
    for (const one of this.series) parts.push(...this.line(one, y));
    const at = samples.find((each) => each.at === this.cursor);
    if (at) parts.push(svg("line", {class: "cursor", x1: this.x(at.at), x2: this.x(at.at), y1: TOP, y2: HEIGHT - BOTTOM}));
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.picture.setAttribute("width", this.width);
    this.picture.replaceChildren(...parts);
    this.tell(at ?? samples[samples.length - 1], at);
  }

  // A path for each stretch without a gap, and a dot where a stretch has one value.
  line({field, kind}, y) {
    const stretches = [[]];
    for (const sample of this.samples) {
      if (sample[field] === null) stretches.push([]);
      else stretches[stretches.length - 1].push([this.x(sample.at), y(sample[field])]);
    }
    return stretches.filter((points) => points.length).map((points) => {
      if (points.length === 1) return svg("circle", {class: `dot ${kind}`, cx: points[0][0], cy: points[0][1], r: 2});
      const way = points.map(([px, py], index) => `${index ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
      return svg("path", {class: `line ${kind}`, d: way, "data-points": points.length});
    });
  }

  tell(sample, isChosen) {
    if (!sample) {
      say(this.readout, "no figures yet");
      return this.picture.setAttribute("aria-label", "no figures yet");
    }
    const ago = this.now - sample.at;
    const when = isChosen ? `${clock(new Date(Date.now() - ago * 1000))}: ` : "";
    const keys = this.series.map(({name, field, kind}) => el(
      "span", {class: "key"}, svg("svg", {class: "swatch", viewBox: "0 0 22 8", "aria-hidden": "true"},
        svg("path", {class: `line ${kind}`, d: "M1 4H21"})), ` ${name} ${this.text(sample[field])}`));
    this.readout.replaceChildren(when, ...keys);
    this.picture.setAttribute("aria-label", `${when || "now: "}${this.words(sample)}; arrow keys go through the last ten minutes`);
  }
}

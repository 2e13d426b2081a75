// Made by scripts/dashboard of the files in dashboard/: change those.
// swift-format-ignore-file

/// The files of the dashboard's page, as text.
enum DashboardFiles {
    /// All of them.
    static let all: [DashboardFile] = [
        DashboardFile(path: "/dashboard/app.js", type: "text/javascript", text: #"""
// Asks the gateway every two seconds and shows what it says.

import {Chart} from "/dashboard/chart.js";
import {byId, el, keep, say, svg} from "/dashboard/dom.js";
import * as format from "/dashboard/format.js";
import {History} from "/dashboard/history.js";
import {Table} from "/dashboard/table.js";
import {KINDS, Topology, kindOf, legend} from "/dashboard/topology.js";

const PAUSE_MS = 2000;
const HIDDEN_PAUSE_MS = 10000;
const PATIENCE_MS = 8000;
const SIGNS = {direct: "●", lan: "●", forwarded: "●", connecting: "◆", down: "✕"};

const clock = () => performance.now() / 1000;
const history = new History();
let state = null;
let heardAt = null;
let goneSince = null;

// ---- parts of the page

const ratePair = (one, other) => (one === null && other === null ? "–" : `${format.rate(one)} / ${format.rate(other)}`);

const peers = new Table(byId("peers"), {
  id: "peers", what: "peers", key: (peer) => peer.name,
  words: (peer) => `${peer.name} ${kindOf(peer)} ${peer.through ?? ""}`,
  tone: (peer) => (peer.state === "connected" ? "" : "ill"),
  groups: [{title: "not connected", holds: (peer) => peer.state !== "connected"}, ...KINDS],
  columns: [
    {title: "Peer", cell: (peer) => peer.name, sort: (peer) => peer.name},
    {title: "State", cell: (peer) => peer.state, sort: (peer) => peer.state, mark: (peer) => SIGNS[kindOf(peer)]},
    {title: "Path", isLong: true, sort: pathWords, cell: pathWords},
    {title: "Round trip", isNumber: true, cell: (peer) => format.rtt(peer.rtt_us), sort: (peer) => peer.rtt_us ?? -1},
    {title: "Out / in", isNumber: true, cell: (peer) => ratePair(history.peer(peer).out, history.peer(peer).in),
      sort: (peer) => (history.peer(peer).out ?? 0) + (history.peer(peer).in ?? 0)},
    {title: "Sent / received", isNumber: true, cell: (peer) => `${format.bytes(peer.sent)} / ${format.bytes(peer.received)}`,
      sort: (peer) => peer.sent + peer.received},
    {title: "For", isNumber: true, cell: (peer) => format.span((Date.parse(state.time) - Date.parse(peer.since)) / 1000),
      sort: (peer) => Date.parse(state.time) - Date.parse(peer.since)},
  ],
});

function pathWords(peer) {
  if (peer.state !== "connected") return peer.error ?? "–";
  const spare = (peer.paths.ready ?? 0) > 0 ? `, ${peer.paths.ready} more ready` : "";
  const down = (peer.paths.down ?? 0) > 0 ? `, ${peer.paths.down} down` : "";
  return `${peer.path ?? "direct"}${peer.through ? ` through ${peer.through}` : ""}${spare}${down}`;
}

const tunnels = new Table(byId("tunnels"), {
  id: "tunnels", what: "tunnels", key: (tunnel) => `${tunnel.role} ${tunnel.name}`,
  words: (tunnel) => `${tunnel.name} ${tunnel.role} ${tunnel.state}`,
  tone: (tunnel) => (tunnel.problem ? "ill" : ""),
  groups: [
    {title: "in trouble", holds: (tunnel) => Boolean(tunnel.problem)}, {title: "origin here", holds: (tunnel) => tunnel.role === "origin"},
    {title: "destination here", holds: (tunnel) => tunnel.role === "destination"}, {title: "in use", holds: (tunnel) => tunnel.open > 0}],
  columns: [
    {title: "Tunnel", cell: (tunnel) => tunnel.name, sort: (tunnel) => tunnel.name},
    {title: "State", cell: (tunnel) => tunnel.state, sort: (tunnel) => tunnel.state, mark: (tunnel) => (tunnel.problem ? "✕" : "●")},
    {title: "This end", cell: (tunnel) => `${tunnel.role}${tunnel.udp ? ", udp" : ""}`, sort: (tunnel) => tunnel.role},
    {title: "Open", isNumber: true, cell: (tunnel) => format.count(tunnel.open), sort: (tunnel) => tunnel.open},
    {title: "In all", isNumber: true, cell: (tunnel) => format.count(tunnel.total), sort: (tunnel) => tunnel.total},
    {title: "Refused", isNumber: true, cell: (tunnel) => format.count(tunnel.refused), sort: (tunnel) => tunnel.refused},
    {title: "To target / client", isNumber: true,
      cell: (tunnel) => ratePair(history.tunnel(tunnel).toTarget, history.tunnel(tunnel).toClient),
      sort: (tunnel) => (history.tunnel(tunnel).toTarget ?? 0) + (history.tunnel(tunnel).toClient ?? 0)},
  ],
});

const topology = new Topology(byId("topology"), ({group, peer}) => peers.goTo({group, name: peer}));
legend(byId("legend"));
const throughput = new Chart(byId("throughput"), [
  {name: "out", field: "out", kind: "first"}, {name: "in", field: "in", kind: "second"},
], {text: format.rate, factor: 8, least: 125});
const trips = new Chart(byId("rtt"), [
  {name: "median of the peers", field: "median", kind: "first"}, {name: "longest", field: "longest", kind: "second"},
], {text: format.rtt, factor: 0.001, least: 1000});

// ---- what the gateway says

const MARKS = {
  well: ["M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20Z", "M7 12.5l3.5 3.5l6.5-7.5"],
  ill: ["M12 2.5L22.5 21H1.5Z", "M12 9v6M12 17.6v.8"],
};

function showHealth({healthy, sentence, problems, more}) {
  const section = byId("health");
  const kind = healthy ? "well" : "ill";
  if (section.className !== `card ${kind}`) {
    section.className = `card ${kind}`;
    const [form, sign] = MARKS[kind];
    byId("mark").replaceChildren(svg("path", {class: "form", d: form}), svg("path", {class: "sign", d: sign}));
  }
  say(byId("sentence"), sentence);
  const items = problems.map(({text, command}, index) => ({text, command, key: `${index}`}));
  if (more > 0) items.push({text: `and ${more} more`, command: "dxgateway status --json", key: "more"});
  keep(byId("problems"), items, (item) => item.key,
    () => el("li", {}, el("span"), " To find out more: ", el("code")),
    (item, {text, command}) => {
      say(item.children[0], `${text}.`);
      say(item.children[1], command);
    });
}

function showTiles({counts, memory, group}) {
  const {out, in: into, median} = history.newest;
  const tiles = [
    ["Peers connected", `${counts.connected} of ${counts.peers}`], ["Tunnels that work", `${counts.working} of ${counts.tunnels}`],
    ["Connections open", format.count(counts.open)], ["Out", format.rate(out)], ["In", format.rate(into)],
    ["Round trip, median", format.rtt(median)], ["Buffered", `${format.bytes(memory.used)} of ${format.bytes(memory.limit).replace(/\.0+ /, " ")}`]];
  if (group) tiles.push(["Group", `${group.name}, revision ${group.revision}`]);
  keep(byId("tiles"), tiles, ([word]) => word, ([word]) => el("div", {}, el("dt", {text: word}), el("dd")),
    (tile, [, text]) => say(tile.children[1], text));
}

const TONES = {good: "▲", bad: "▼", plain: "•"};

function showEvents(events) {
  byId("no-events").hidden = events.length > 0;
  keep(byId("events"), events, (event) => event.id ?? event.time,
    (event) => el("li", {class: event.tone}, el("time", {datetime: event.time}), el("span", {class: "sign", "aria-hidden": "true", text: TONES[event.tone]}),
      el("span", {text: event.text})),
    (item, event) => say(item.children[0], format.moment(event.time)));
}

function show(next) {
  state = next;
  document.body.classList.remove("empty");
  history.add(next, clock());
  document.title = `${next.health.healthy ? "" : "! "}${next.name} – DX gateway`;
  say(byId("name"), next.name);
  say(byId("facts"), `version ${next.version}, up ${format.span(next.uptime_seconds)}, id ${next.id.slice(0, 12)}…${next.draining ? ", DRAINING" : ""}`);
  showHealth(next.health);
  showTiles(next);
  topology.show(next);
  drawCharts();
  const left = (all, shown) => (all > shown.length ? ` (${all - shown.length} of ${all} are left out here)` : "");
  say(byId("peers-title"), `Peers${left(next.counts.peers, next.peers)}`);
  say(byId("tunnels-title"), `Tunnels${left(next.counts.tunnels, next.tunnels)}`);
  peers.show(next.peers);
  tunnels.show(next.tunnels);
  showEvents(next.events);
}

function drawCharts() {
  throughput.show(history, clock());
  trips.show(history, clock());
}

// ---- whether it answers

function heard() {
  heardAt = new Date();
  goneSince = null;
  byId("gone").hidden = true;
  document.body.classList.remove("stale");
}

function missed(reason) {
  goneSince ??= heardAt ?? new Date();
  history.miss(clock());
  const who = state ? state.name : "the gateway";
  const figures = heardAt ? " What is shown is from then." : "";
  say(byId("gone"), `${who} is not reachable since ${format.clock(goneSince)} (${reason}).${figures} It is asked again every two seconds.`);
  byId("gone").hidden = false;
  document.body.classList.add("stale");
  document.title = `? ${who} – DX gateway`;
  if (state) drawCharts();
}

function sayFreshness() {
  say(byId("freshness"), heardAt ? `as of ${format.clock(heardAt)}` : "");
}

// ---- the token, where there is one

const ask = byId("ask");
const TOKEN = "dx-token";

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? {Authorization: `Bearer ${token}`} : {};
}

// Resolves when a token was given.
function askForToken() {
  const isWrong = sessionStorage.getItem(TOKEN) !== null;
  sessionStorage.removeItem(TOKEN);
  say(byId("sentence"), "The gateway asks for its token");
  say(byId("ask-trouble"), isWrong ? "That is not the token." : "");
  if (!ask.open) ask.showModal();
  byId("token").focus();
  return new Promise((resolve) => {
    ask.oncancel = (event) => event.preventDefault();
    byId("ask-form").onsubmit = (event) => {
      event.preventDefault();
      // What no header can hold is no token.
      sessionStorage.setItem(TOKEN, byId("token").value.trim().replace(/[^\x21-\x7e]/g, "?"));
      byId("token").value = "";
      ask.close();
      resolve();
    };
  });
}

// ---- again and again

async function once() {
  let answer, next;
  try {
    answer = await fetch("/dashboard.json", {headers: headers(), cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS)});
    if (answer.ok) next = await answer.json();
  } catch (error) {
    return missed(error.name === "TimeoutError" ? "no answer within 8 s" : "no answer");
  }
  if (next) {
    heard();
    show(next);
    return sayFreshness();
  }
  if (answer.status === 401) return askForToken();
  missed(answer.status === 429 ? "too many wrong tokens came from this network: it takes one a second" : `it answers ${answer.status}`);
}

async function run() {
  for (;;) {
    // A mistake of this page is told on the console, and does not end it.
    await once().catch((error) => console.error(error));
    if (state === null && sessionStorage.getItem(TOKEN) !== null && goneSince === null) continue;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, document.hidden ? HIDDEN_PAUSE_MS : PAUSE_MS);
      document.onvisibilitychange = () => {
        if (document.hidden) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

// ---- dark and light

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  say(byId("theme"), `Theme: ${theme}`);
}

setTheme(THEMES.find((theme) => theme === localStorage.getItem("dx-theme")) ?? "auto");
byId("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  localStorage.setItem("dx-theme", next);
  setTheme(next);
});

run();

"""#),
        DashboardFile(path: "/dashboard/chart.js", type: "text/javascript", text: #"""
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

"""#),
        DashboardFile(path: "/dashboard/dom.js", type: "text/javascript", text: #"""
// Elements of the page. What the gateway says becomes text, never markup: nothing here takes HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

// An element: el("p", {class: "quiet", text: "…"}, child, …).
export const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

// The same of a picture.
export const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// Sets a text that is another one: what is the same is left alone, for who has selected it and for screen readers.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Brings the children of `parent` into line with `items`: `make(item)` for a new key, `update(node, item)` for each. Nodes that stay are kept,
// with their focus.
export function keep(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let node = old.get(name);
    old.delete(name);
    if (!node) {
      node = make(item);
      node.dataset.key = name;
    }
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
}

"""#),
        DashboardFile(path: "/dashboard/format.js", type: "text/javascript", text: #"""
// Numbers and times as people read them.

function scaled(value, step, units) {
  let unit = 0;
  while (value >= step * 0.9995 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

const NONE = "–";

export const bytes = (count) => scaled(count, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);

// Bytes a second as bits a second; a dash when it is not known.
export const rate = (perSecond) =>
  perSecond === null || perSecond === undefined ? NONE : scaled(perSecond * 8, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);

export function rtt(microseconds) {
  if (microseconds === null || microseconds === undefined) return NONE;
  const ms = microseconds / 1000;
  return `${ms < 1 ? ms.toFixed(2) : ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export const count = (number) => number.toLocaleString("en");

const two = (number) => String(number).padStart(2, "0");

export const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

// The time of day, with the date where that is another one.
export function moment(text, now = new Date()) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === now.toDateString() ? clock(date) : `${day} ${clock(date)}`;
}

"""#),
        DashboardFile(path: "/dashboard/history.js", type: "text/javascript", text: #"""
// What went on between two answers of a gateway, and the last ten minutes of that. Kept in this page alone.

export const KEPT_SECONDS = 600;

const key = (tunnel) => `${tunnel.role} ${tunnel.name}`;

// The difference of two counters in a second; null when it cannot be told: of something new, or a counter that began anew.
function difference(before, now, seconds) {
  return before === undefined || now < before || seconds <= 0 ? null : (now - before) / seconds;
}

const sum = (values) => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
};

export class History {
  constructor() {
    this.samples = [];
    this.last = null;
    this.peers = new Map();
    this.tunnels = new Map();
  }

  // Takes an answer; `at` is this page's clock in seconds. One that was seen already changes nothing.
  add(state, at) {
    const before = this.last;
    const isSame = before && before.id === state.id && before.uptime_seconds === state.uptime_seconds;
    if (isSame) return;
    // The gateway's own time counts: what answers take on their way does not. Less than before: it was started anew.
    const seconds = before && before.id === state.id ? state.uptime_seconds - before.uptime_seconds : 0;
    const goesOn = seconds > 0;
    const oldPeers = new Map(goesOn ? before.peers.map((peer) => [peer.name, peer]) : []);
    const oldTunnels = new Map(goesOn ? before.tunnels.map((tunnel) => [key(tunnel), tunnel]) : []);
    this.peers = new Map(state.peers.map((peer) => {
      const old = oldPeers.get(peer.name) ?? {};
      return [peer.name, {
        out: difference(old.sent, peer.sent, seconds), in: difference(old.received, peer.received, seconds)}];
    }));
    this.tunnels = new Map(state.tunnels.map((tunnel) => {
      const old = oldTunnels.get(key(tunnel)) ?? {};
      return [key(tunnel), {
        toTarget: difference(old.to_target, tunnel.to_target, seconds),
        toClient: difference(old.to_client, tunnel.to_client, seconds)}];
    }));
    const trips = state.peers.filter((peer) => peer.state === "connected" && peer.rtt_us !== undefined).map((peer) => peer.rtt_us)
      .sort((a, b) => a - b);
    const rates = [...this.peers.values()];
    this.samples.push({
      at, out: sum(rates.map((each) => each.out)), in: sum(rates.map((each) => each.in)),
      median: trips.length ? trips[Math.floor(trips.length / 2)] : null, longest: trips.length ? trips[trips.length - 1] : null});
    this.forget(at);
    this.last = state;
  }

  // Nothing was heard: lines have a gap here.
  miss(at) {
    const last = this.samples[this.samples.length - 1];
    if (last && last.out === null && last.median === null) return;
    this.samples.push({at, out: null, in: null, median: null, longest: null});
    this.forget(at);
  }

  forget(at) {
    while (this.samples.length && this.samples[0].at < at - KEPT_SECONDS) this.samples.shift();
  }

  get newest() { return this.samples[this.samples.length - 1] ?? {out: null, in: null, median: null, longest: null}; }

  peer(peer) { return this.peers.get(peer.name) ?? {out: null, in: null}; }

  tunnel(tunnel) { return this.tunnels.get(key(tunnel)) ?? {toTarget: null, toClient: null}; }
}

"""#),
        DashboardFile(path: "/", type: "text/html", text: #"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>DX gateway</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 8h12' stroke='%231f5fbf' stroke-width='2'/%3E%3Ccircle cx='3' cy='8' r='3' fill='%231f5fbf'/%3E%3Ccircle cx='13' cy='8' r='3' fill='%231f5fbf'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/dashboard/style.css">
<script type="module" src="/dashboard/app.js"></script>
</head>
<body class="empty">
<a class="skip" href="#health">To the state of the gateway</a>
<header>
  <div class="who">
    <h1 id="name">DX gateway</h1>
    <p id="facts">&nbsp;</p>
  </div>
  <div class="tools">
    <span id="freshness" class="quiet"></span>
    <button id="theme" type="button">Theme: auto</button>
  </div>
</header>

<div id="gone" class="banner" role="alert" hidden></div>
<noscript><p class="banner">This page needs scripts, which come from the gateway itself.</p></noscript>

<main>
  <section id="health" class="card waiting" aria-labelledby="sentence" tabindex="-1">
    <svg id="mark" class="mark" viewBox="0 0 24 24" aria-hidden="true"></svg>
    <div class="words">
      <h2 id="sentence" aria-live="polite">Asking the gateway …</h2>
      <ul id="problems"></ul>
    </div>
  </section>

  <dl id="tiles" class="tiles"></dl>

  <section class="card" aria-labelledby="topology-title">
    <h2 id="topology-title">Topology</h2>
    <div id="topology"></div>
    <ul id="legend" class="legend" aria-label="How lines and shapes are meant"></ul>
  </section>

  <div class="pair">
    <section class="card" aria-labelledby="throughput-title">
      <h2 id="throughput-title">Throughput, last 10 minutes</h2>
      <div id="throughput" class="chart"></div>
    </section>
    <section class="card" aria-labelledby="rtt-title">
      <h2 id="rtt-title">Round trip, last 10 minutes</h2>
      <div id="rtt" class="chart"></div>
    </section>
  </div>

  <section class="card" aria-labelledby="peers-title">
    <h2 id="peers-title">Peers</h2>
    <div id="peers"></div>
  </section>

  <section class="card" aria-labelledby="tunnels-title">
    <h2 id="tunnels-title">Tunnels</h2>
    <div id="tunnels"></div>
  </section>

  <section class="card" aria-labelledby="events-title">
    <h2 id="events-title">Events</h2>
    <ol id="events" class="events"></ol>
    <p id="no-events" class="quiet" hidden>Nothing has happened since the gateway was started.</p>
  </section>
</main>

<footer><p class="quiet">What is shown here can be read and not changed. More on the gateway's host: <code>dxgateway status</code>, <code>dxgateway top</code>.</p></footer>

<dialog id="ask" aria-labelledby="ask-title">
  <form id="ask-form">
    <h2 id="ask-title">Token</h2>
    <p>This gateway shows its state to whoever knows the token of <code>metrics:</code> in its file. It is kept until this tab is closed.</p>
    <label for="token">Token</label>
    <input id="token" type="password" autocomplete="off" spellcheck="false" required>
    <p id="ask-trouble" class="trouble" role="alert"></p>
    <button type="submit">Show</button>
  </form>
</dialog>
</body>
</html>

"""#),
        DashboardFile(path: "/dashboard/style.css", type: "text/css", text: #"""
/* Colours by theme; everything else uses their names. */
:root {
  color-scheme: light;
  --ground: #f3f5f8;
  --card: #ffffff;
  --edge: #d5dbe3;
  --text: #191d24;
  --quiet: #59626f;
  --first: #1a5fb4;
  --second: #a8450a;
  --good: #1c7230;
  --good-ground: #e6f4e8;
  --bad: #b3261e;
  --bad-ground: #fdecea;
  --warning: #855500;
  --focus: #1a5fb4;
}

:root[data-theme="dark"] {
  color-scheme: dark;
  --ground: #0f1318;
  --card: #181e26;
  --edge: #313a46;
  --text: #e7ebf0;
  --quiet: #a3adba;
  --first: #6db3ff;
  --second: #ffab6b;
  --good: #62d17c;
  --good-ground: #14301c;
  --bad: #ff8a80;
  --bad-ground: #3a1917;
  --warning: #f0c04d;
  --focus: #8cc4ff;
}

@media (prefers-color-scheme: dark) {
  :root:not([data-theme="light"]) {
    color-scheme: dark;
    --ground: #0f1318;
    --card: #181e26;
    --edge: #313a46;
    --text: #e7ebf0;
    --quiet: #a3adba;
    --first: #6db3ff;
    --second: #ffab6b;
    --good: #62d17c;
    --good-ground: #14301c;
    --bad: #ff8a80;
    --bad-ground: #3a1917;
    --warning: #f0c04d;
    --focus: #8cc4ff;
  }
}

* { box-sizing: border-box; }

[hidden] { display: none !important; }

html { -webkit-text-size-adjust: 100%; }

body {
  margin: 0 auto;
  padding: 1rem clamp(0.75rem, 2.5vw, 2rem) 2rem;
  max-width: 82rem;
  background: var(--ground);
  color: var(--text);
  font: 16px/1.45 system-ui, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}

h1, h2, p, dl, dd, ul, ol { margin: 0; }
ul, ol { padding: 0; list-style: none; }
h1 { font-size: 1.5rem; line-height: 1.2; }
h2 { font-size: 1.05rem; margin-bottom: 0.6rem; }
code { font: 0.9em ui-monospace, "DejaVu Sans Mono", monospace; user-select: all; }

.quiet, #facts, .axis { color: var(--quiet); fill: var(--quiet); }
.quiet, #facts { font-size: 0.875rem; }

:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }

.skip { position: absolute; left: -100vw; background: var(--card); padding: 0.5rem 1rem; z-index: 2; }
.skip:focus { left: 0.75rem; top: 0.5rem; }

button, input, select {
  font: inherit;
  color: inherit;
  background: var(--card);
  border: 1px solid var(--quiet);
  border-radius: 6px;
  padding: 0.4rem 0.7rem;
  min-height: 2.5rem;
}
button { cursor: pointer; }
button:hover { border-color: var(--first); color: var(--first); }

header { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; justify-content: space-between; align-items: center; margin-bottom: 0.9rem; }
.tools { display: flex; align-items: center; gap: 0.9rem; }
footer { margin-top: 1rem; }

.card { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 0.9rem 1rem; margin-bottom: 0.9rem; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 0 0.9rem; }

.banner { background: var(--bad-ground); color: var(--bad); border: 2px solid var(--bad); border-radius: 10px; padding: 0.7rem 1rem; margin: 0 0 0.9rem; font-weight: 600; }
/* What is from then is without colours: green would be read as now. */
.stale main { opacity: 0.65; filter: grayscale(1); }

/* Nothing was heard yet. */
.empty main > :not(#health) { display: none; }

/* Health */
#health { display: flex; gap: 1rem; align-items: flex-start; border-left-width: 8px; }
#health h2 { font-size: 1.3rem; line-height: 2.25rem; margin: 0; }
#health.waiting .mark { display: none; }
#health.well { border-left-color: var(--good); background: var(--good-ground); }
#health.ill { border-left-color: var(--bad); background: var(--bad-ground); }
.mark { width: 2.25rem; height: 2.25rem; flex: none; fill: none; stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
.well .mark { stroke: var(--good); }
.ill .mark { stroke: var(--bad); }
.words { min-width: 0; flex: 1; }
#problems li { margin: 0.35rem 0 0; padding-left: 0.9rem; border-left: 3px solid var(--bad); }

/* Figures */
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); gap: 0.6rem; margin-bottom: 0.9rem; }
.tiles > div { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 0.55rem 0.8rem; min-width: 0; }
.tiles dt { color: var(--quiet); font-size: 0.8rem; }
.tiles dd { font-size: 1.05rem; font-weight: 600; font-variant-numeric: tabular-nums; }

/* Topology */
#topology svg { display: block; max-width: 100%; }
.link { fill: none; stroke: var(--quiet); stroke-width: 2; }
.link.lan { stroke-dasharray: 2 5; stroke-linecap: round; stroke-width: 3; }
.link.forwarded { stroke-dasharray: 11 6; stroke: var(--second); }
.link.connecting { stroke: var(--warning); stroke-dasharray: 5 5; stroke-width: 1.5; opacity: 0.8; }
.link.down { stroke: var(--bad); stroke-dasharray: 1 7; stroke-width: 1.5; opacity: 0.8; }
.node { fill: var(--good); stroke: none; }
.node.forwarded { fill: var(--second); }
.node.connecting { fill: var(--warning); }
.node.down { fill: none; stroke: var(--bad); stroke-width: 3.5; stroke-linecap: round; }
.self rect { fill: var(--good-ground); stroke: var(--good); stroke-width: 2; }
.self.ill rect { fill: var(--bad-ground); stroke: var(--bad); }
.self text { fill: var(--text); font-weight: 700; font-size: 15px; }
.spot { cursor: pointer; }
.spot .target { fill: transparent; stroke: none; }
.spot:hover .target { stroke: var(--edge); }
.spot:focus { outline: none; }
.spot:focus-visible .target { stroke: var(--focus); stroke-width: 3; }
.label { fill: var(--text); font-size: 14px; font-weight: 600; }
.detail { fill: var(--quiet); font-size: 12.5px; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin-top: 0.7rem; font-size: 0.82rem; color: var(--quiet); }
.legend li { display: flex; align-items: center; gap: 0.4rem; }

/* Charts */
.plot { display: block; max-width: 100%; touch-action: pan-y; }
.readout { display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem; font-size: 0.9rem; font-variant-numeric: tabular-nums; margin-bottom: 0.3rem; min-height: 1.45em; }
.key { white-space: nowrap; }
.swatch { width: 1.4rem; height: 0.5rem; vertical-align: middle; }
.swatch.wide { width: 3.25rem; height: 1.1rem; flex: none; }
.grid { stroke: var(--edge); }
.axis { font-size: 12px; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.line.first { stroke: var(--first); }
.line.second { stroke: var(--second); stroke-dasharray: 6 3; }
.dot.first { fill: var(--first); }
.dot.second { fill: var(--second); }
.cursor { stroke: var(--text); stroke-dasharray: 3 3; }

/* Tables */
.filters { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.7rem; margin-bottom: 0.6rem; }
.filters input { width: 14rem; max-width: 100%; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.93rem; }
th, td { text-align: left; padding: 0.4rem 0.6rem; border-bottom: 1px solid var(--edge); vertical-align: top; overflow-wrap: break-word; }
tbody th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
td:has(.sign) { white-space: nowrap; }
thead button { border: 0; background: none; padding: 0.2rem; min-height: 0; font-weight: 600; color: var(--quiet); text-align: inherit; }
thead th[aria-sort="ascending"] button::after { content: " ▲"; }
thead th[aria-sort="descending"] button::after { content: " ▼"; }
thead th[aria-sort="ascending"] button, thead th[aria-sort="descending"] button { color: var(--text); }
.sign { display: inline-block; width: 1.3em; color: var(--good); }
tr.ill .sign { color: var(--bad); font-weight: 700; }
tr.ill { background: var(--bad-ground); }
#peers .quiet, #tunnels .quiet { margin: 0.5rem 0; }

/* Events */
.events { max-height: 24rem; overflow-y: auto; }
.events li { display: grid; grid-template-columns: auto 1.3rem 1fr; gap: 0 0.4rem; padding: 0.3rem 0; border-bottom: 1px solid var(--edge); font-size: 0.93rem; }
.events time { color: var(--quiet); font-variant-numeric: tabular-nums; }
.events .bad .sign { color: var(--bad); }
.events .plain .sign { color: var(--quiet); }

/* The token */
dialog { background: var(--card); color: var(--text); border: 1px solid var(--edge); border-radius: 10px; max-width: min(26rem, calc(100vw - 2rem)); padding: 1.2rem; }
dialog::backdrop { background: rgb(0 0 0 / 55%); }
dialog form { display: grid; gap: 0.6rem; }
.trouble { color: var(--bad); font-weight: 600; min-height: 1.45em; }

/* A phone: a row of a table becomes a card, its cells stand in two columns under their names */
@media (max-width: 44rem) {
  body { padding-top: 0.6rem; }
  .card { padding: 0.75rem 0.8rem; }
  #health { display: grid; grid-template-columns: 2rem 1fr; gap: 0.2rem 0.7rem; border-left-width: 6px; }
  #health .words { display: contents; }
  #health h2 { font-size: 1.15rem; line-height: 1.3; align-self: center; }
  #problems { grid-column: 1 / -1; font-size: 0.93rem; }
  .mark { width: 2rem; height: 2rem; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.45rem; }
  .tiles > div { padding: 0.4rem 0.65rem; }
  .filters label { width: 3.2rem; }
  .filters input, .filters select { flex: 1; width: calc(100% - 4rem); min-width: calc(100% - 4rem); }
  table, thead, tbody { display: block; }
  thead tr { display: flex; flex-wrap: wrap; gap: 0.3rem; margin-bottom: 0.5rem; }
  thead th { padding: 0; border: 0; }
  thead button { border: 1px solid var(--edge); padding: 0.2rem 0.5rem; min-height: 2.1rem; font-size: 0.85rem; }
  tbody tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0.15rem 0.8rem; border: 1px solid var(--edge); border-radius: 8px; padding: 0.45rem 0.7rem; margin-bottom: 0.45rem; }
  tbody th, tbody td { padding: 0; border: 0; text-align: left; min-width: 0; overflow-wrap: anywhere; white-space: normal; }
  tbody .number { text-align: left; white-space: normal; }
  tbody th { font-size: 1rem; align-self: center; }
  tbody td:has(.sign) { text-align: right; }
  tbody td:not(:has(.sign))::before { content: attr(data-label); display: block; color: var(--quiet); font-size: 0.76rem; line-height: 1.3; }
  tbody td.long { grid-column: 1 / -1; }
  td .sign { width: 1.3em; text-align: left; }
  .events li { grid-template-columns: 1.3rem 1fr; }
  .events time { grid-column: 1 / -1; font-size: 0.82rem; }
}

@media (prefers-reduced-motion: no-preference) {
  button { transition: border-color 0.15s, color 0.15s; }
}

@media (forced-colors: active) {
  .node, .link { forced-color-adjust: none; }
}

"""#),
        DashboardFile(path: "/dashboard/table.js", type: "text/javascript", text: #"""
// A table that can be sorted and filtered. Its rows are a part of what there is: twenty, and as many more as are asked for.

import {byId, el, keep, say} from "/dashboard/dom.js";

const STEP = 20;

const compare = (a, b) => (typeof a === "number" || typeof b === "number" ? (a ?? -1) - (b ?? -1) : String(a).localeCompare(String(b)));

export class Table {
  // `columns`: [{title, cell(item) -> text, sort(item), isNumber, mark(item)}]; `words(item)` is what the filter looks at; `groups` are ready
  // filters: [{title, holds(item)}].
  constructor(place, {id, what, columns, words, key, groups, tone}) {
    Object.assign(this, {id, what, columns, words, key, groups, tone, items: [], order: null, isReversed: false, most: STEP});
    this.filter = el("input", {
      id: `${id}-filter`, type: "search", placeholder: "name or state", autocomplete: "off", spellcheck: "false",
      oninput: () => this.reset()});
    this.choice = el("select", {id: `${id}-group`, onchange: () => this.reset()},
      el("option", {value: "", text: "all"}), ...groups.map(({title}, index) => el("option", {value: index, text: title})));
    this.shown = el("p", {class: "quiet", "aria-live": "polite"});
    this.head = el("tr", {role: "row"}, ...columns.map((column, index) => this.headCell(column, index)));
    this.body = el("tbody", {role: "rowgroup"});
    this.more = el("button", {type: "button", class: "more", onclick: () => this.showMore()});
    place.append(
      el("div", {class: "filters"},
        el("label", {for: this.filter.id, text: "Filter"}), this.filter,
        el("label", {for: this.choice.id, text: "Show"}), this.choice),
      el("table", {role: "table", "aria-labelledby": `${id}-title`}, el("thead", {role: "rowgroup"}, this.head), this.body),
      this.shown, this.more);
  }

  headCell(column, index) {
    return el("th", {scope: "col", role: "columnheader", class: column.isNumber ? "number" : null},
      el("button", {type: "button", text: column.title, onclick: () => this.sortBy(index)}));
  }

  // Largest numbers first, and texts from A on; once more turns it round.
  sortBy(index) {
    this.isReversed = this.order === index ? !this.isReversed : Boolean(this.columns[index].isNumber);
    this.order = index;
    this.draw();
  }

  // Shows those of a ready filter, or of this name, and goes there.
  goTo({group, name}) {
    this.choice.value = group === undefined ? "" : String(this.groups.findIndex(({title}) => title === group));
    this.filter.value = name ?? "";
    this.reset();
    byId(`${this.id}-title`).scrollIntoView({block: "start"});
    this.filter.focus({preventScroll: true});
  }

  reset() {
    this.most = STEP;
    this.draw();
  }

  showMore() {
    this.most += STEP;
    this.draw();
  }

  show(items) {
    this.items = items;
    this.draw();
  }

  get found() {
    const wanted = this.filter.value.trim().toLowerCase();
    const group = this.groups[this.choice.value];
    const found = this.items.filter((item) => (!group || group.holds(item)) && this.words(item).toLowerCase().includes(wanted));
    if (this.order === null) return found;
    const {sort} = this.columns[this.order];
    const sign = this.isReversed ? -1 : 1;
    return found.sort((a, b) => sign * compare(sort(a), sort(b)) || compare(this.key(a), this.key(b)));
  }

  draw() {
    const found = this.found;
    const shown = found.slice(0, this.most);
    [...this.head.children].forEach((cell, index) => {
      const isOrder = index === this.order;
      cell.setAttribute("aria-sort", isOrder ? (this.isReversed ? "descending" : "ascending") : "none");
    });
    keep(this.body, shown, this.key, () => this.makeRow(), (row, item) => this.fillRow(row, item));
    const total = this.items.length;
    say(this.shown, total === 0 ? `no ${this.what}` : found.length === total && shown.length === total
      ? `${total} ${total === 1 ? this.what.replace(/s$/, "") : this.what}` : `${shown.length} of ${found.length} found, ${total} ${this.what} in all`);
    this.more.hidden = shown.length === found.length;
    say(this.more, `Show ${Math.min(STEP, found.length - shown.length)} more`);
  }

  makeRow() {
    return el("tr", {role: "row"}, ...this.columns.map((column, index) => el(index === 0 ? "th" : "td", {
      role: index === 0 ? "rowheader" : "cell", scope: index === 0 ? "row" : null,
      class: column.isNumber ? "number" : column.isLong ? "long" : null, "data-label": column.title})));
  }

  fillRow(row, item) {
    row.className = this.tone(item);
    this.columns.forEach((column, index) => {
      const cell = row.children[index];
      const mark = column.mark?.(item);
      const text = column.cell(item);
      if (!mark) return say(cell, text);
      if (!cell.firstElementChild) cell.append(el("span", {class: "sign", "aria-hidden": "true"}), el("span"));
      say(cell.children[0], mark);
      say(cell.children[1], text);
    });
  }
}

"""#),
        DashboardFile(path: "/dashboard/topology.js", type: "text/javascript", text: #"""
// This gateway in the middle and its peers at both sides, or below it where there is little room. Of many peers those in trouble are drawn, and the
// others by how they are reached.

import {keep, say, svg} from "/dashboard/dom.js";
import {rtt} from "/dashboard/format.js";

// The kinds of peers, each with its line, its shape and its word.
export const KINDS = [
  {title: "direct", holds: (peer) => peer.state === "connected" && (peer.path ?? "direct") === "direct"},
  {title: "lan", holds: (peer) => peer.state === "connected" && peer.path === "lan"},
  {title: "forwarded", holds: (peer) => peer.state === "connected" && peer.path === "forwarded"},
  {title: "connecting", holds: (peer) => peer.state === "connecting"},
  {title: "down", holds: (peer) => peer.state === "down"},
];

// A state or a path of a newer program than this page is shown by what is nearest.
export const kindOf = (peer) => KINDS.find(({holds}) => holds(peer))?.title ?? (peer.state === "connected" ? "direct" : "down");

const ROW = 46;
const MOST = 24;
const MOST_IN_TROUBLE = 8;

// A circle, a diamond or a cross: what is not well has another form, not another colour alone.
export function shape(kind, x, y, size = 8) {
  const common = {class: `node ${kind}`};
  if (kind === "connecting") return svg("path", {...common, d: `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`});
  if (kind === "down") {
    const arm = size * 0.8;
    return svg("path", {...common, d: `M${x - arm} ${y - arm}L${x + arm} ${y + arm}M${x - arm} ${y + arm}L${x + arm} ${y - arm}`});
  }
  return svg("circle", {...common, cx: x, cy: y, r: size * 0.85});
}

// What is drawn: each peer, or groups of them.
function spots(peers) {
  if (peers.length <= MOST) return peers.map(spot);
  const trouble = peers.filter((peer) => peer.state !== "connected");
  const drawn = trouble.length <= MOST_IN_TROUBLE ? trouble : [];
  const rest = peers.filter((peer) => !drawn.includes(peer));
  const groups = KINDS.map(({title, holds}) => ({title, members: rest.filter(holds)})).filter(({members}) => members.length);
  return [...drawn.map(spot), ...groups.map(({title, members}) => {
    const trips = members.map((peer) => peer.rtt_us).filter((value) => value !== undefined).sort((a, b) => a - b);
    const detail = trips.length ? `median ${rtt(trips[Math.floor(trips.length / 2)])}, up to ${rtt(trips[trips.length - 1])}` : "not connected";
    return {key: `group ${title}`, kind: title, name: `${members.length} ${title}`, detail, group: title};
  })];
}

function spot(peer) {
  const kind = kindOf(peer);
  const way = kind === "forwarded" && peer.through ? `through ${peer.through}` : kind;
  return {
    key: `peer ${peer.name}`, kind, name: peer.name, peer: peer.name,
    detail: peer.state === "connected" && peer.rtt_us !== undefined ? `${way}, ${rtt(peer.rtt_us)}` : way};
}

// By the width of most letters of the bold text.
function cut(text, width) {
  const most = Math.max(6, Math.floor(width / 8.8));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

export class Topology {
  // `choose({peer} or {group})` is called when one is clicked, or Enter is pressed on it.
  constructor(place, choose) {
    Object.assign(this, {place, choose, state: null});
    this.lines = svg("g", {"aria-hidden": "true"});
    this.middle = svg("g", {class: "self"}, svg("rect", {rx: 8}), svg("text", {"text-anchor": "middle"}));
    this.nodes = svg("g", {role: "group", "aria-label": "Peers"});
    this.picture = svg("svg", {role: "group", "aria-labelledby": "topology-title"}, this.lines, this.middle, this.nodes);
    place.append(this.picture);
    new ResizeObserver(() => this.draw()).observe(place);
  }

  show(state) {
    this.state = state;
    this.draw();
  }

  draw() {
    if (!this.state) return;
    const width = Math.max(260, this.place.clientWidth);
    const all = spots(this.state.peers);
    const isNarrow = width < 620;
    const left = isNarrow ? [] : all.slice(Math.ceil(all.length / 2));
    const right = isNarrow ? all : all.slice(0, Math.ceil(all.length / 2));
    const rows = Math.max(left.length, right.length, 1);
    const head = isNarrow ? 56 : 0;
    const height = head + rows * ROW + 8;
    const boxWidth = Math.min(220, Math.max(96, this.state.name.length * 9 + 32), width - 20);
    const centre = isNarrow ? {x: 10 + boxWidth / 2, y: 26} : {x: width / 2, y: height / 2};
    const placed = [];
    const put = (list, x, isLeft) => list.forEach((each, index) => placed.push(
      {...each, x, y: head + (rows - list.length) * ROW / 2 + index * ROW + ROW / 2 + 4, isLeft}));
    put(right, isNarrow ? 54 : width - Math.min(260, width * 0.3), false);
    put(left, Math.min(260, width * 0.3), true);
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("height", height);
    this.drawSelf(centre, boxWidth);
    const starts = isNarrow ? {x: 26, y: centre.y + 18} : centre;
    keep(this.lines, placed, (each) => each.key, () => svg("path"), (line, each) => {
      const from = isNarrow ? starts : {x: centre.x + (each.isLeft ? -1 : 1) * boxWidth / 2, y: centre.y};
      const bend = (from.x + each.x) / 2;
      const end = each.x + (each.isLeft ? 10 : -10);
      line.setAttribute("class", `link ${each.kind}`);
      line.setAttribute("d", isNarrow ? `M${from.x} ${from.y}V${each.y - 12}Q${from.x} ${each.y} ${from.x + 12} ${each.y}H${end}`
        : `M${from.x} ${from.y}C${bend} ${from.y} ${bend} ${each.y} ${end} ${each.y}`);
    });
    const room = isNarrow ? width - 78 : Math.min(260, width * 0.3) - 24;
    keep(this.nodes, placed, (each) => each.key, (each) => this.makeNode(each), (node, each) => this.fillNode(node, each, room));
  }

  drawSelf({x, y}, boxWidth) {
    const [box, text] = this.middle.children;
    const isWell = this.state.health.healthy;
    this.middle.setAttribute("class", isWell ? "self well" : "self ill");
    for (const [name, value] of Object.entries({x: x - boxWidth / 2, y: y - 18, width: boxWidth, height: 36})) box.setAttribute(name, value);
    text.setAttribute("x", x);
    text.setAttribute("y", y + 5);
    say(text, cut(`${isWell ? "✓" : "!"} ${this.state.name}`, boxWidth - 12));
  }

  makeNode(each) {
    const node = svg("g", {class: "spot", tabindex: 0}, svg("g"), svg("text", {class: "label"}), svg("text", {class: "detail"}));
    const act = () => this.choose({group: each.group, peer: each.peer});
    node.addEventListener("click", act);
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act();
    });
    node.setAttribute("role", "button");
    return node;
  }

  fillNode(node, each, room) {
    const [mark, label, detail] = node.children;
    mark.replaceChildren(
      svg("rect", {class: "target", x: each.isLeft ? each.x - room - 18 : each.x - 14, y: each.y - ROW / 2 + 2, width: room + 32,
        height: ROW - 4, rx: 6}),
      shape(each.kind, each.x, each.y));
    for (const [text, y, words] of [[label, each.y - 1, each.name], [detail, each.y + 14, each.detail]]) {
      text.setAttribute("x", each.x + (each.isLeft ? -16 : 16));
      text.setAttribute("y", y);
      text.setAttribute("text-anchor", each.isLeft ? "end" : "start");
      say(text, cut(words, room));
    }
    node.setAttribute("aria-label", `${each.name}: ${each.detail}; show it in the table of peers`);
  }
}

// What the lines and shapes mean.
export function legend(place) {
  const words = {direct: "direct: over the internet", lan: "lan: private addresses", forwarded: "forwarded: through another member",
    connecting: "connecting", down: "down"};
  keep(place, KINDS, ({title}) => title, ({title}) => {
    const item = document.createElement("li");
    item.append(svg("svg", {viewBox: "0 0 52 18", class: "swatch wide", "aria-hidden": "true"},
      svg("path", {class: `link ${title}`, d: "M1 9H34"}), shape(title, 43, 9, 7)), ` ${words[title]}`);
    return item;
  }, () => {});
}

"""#),
    ]
}

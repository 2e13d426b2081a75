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

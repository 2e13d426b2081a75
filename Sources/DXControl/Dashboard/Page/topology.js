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

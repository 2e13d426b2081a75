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

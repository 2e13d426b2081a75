"""Traces in qlog (draft-ietf-quic-qlog-main-schema and -quic-events as of version 0.3, JSON text sequences of RFC 7464), taken at their word.

`read` judges a file by the text of the drafts: what an event must have, what it may have, of which type, in which order. It
bears less than viewers must, who skip what they do not know; events and members that are DX's own begin with `dx`. `Trace` then
pairs packets, acknowledgements and losses as viewers do for their pictures.
"""

import json

from .lab import check

SEPARATOR = "\x1e"
WORD = {"uint": lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 1 << 64,
        "ms": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and v >= 0,
        "text": lambda v: isinstance(v, str), "true": lambda v: v is True}


def one_of(*values):
    return lambda value: value in values


def judge(value, members, what):
    """An object that has these members: (type, whether it must be there)."""
    check(isinstance(value, dict), f"{what} is no object: {value!r}")
    for name, (kind, must) in members.items():
        if name not in value:
            check(not must, f"{what} has no {name}: {value!r}")
        else:
            holds = WORD[kind] if isinstance(kind, str) else kind
            check(holds(value[name]), f"{what}: {name} is {value[name]!r}")
    unknown = value.keys() - members.keys()
    check(not unknown, f"{what} has {sorted(unknown)}")


def object_of(members):
    """A type: an object with these members."""
    def holds(value):
        judge(value, members, "a part")
        return True
    return holds


# PacketHeader, of which 1RTT packets have no more; RawInfo.
HEADER = object_of({"packet_type": (one_of("1RTT"), True), "packet_number": ("uint", True)})
RAW = object_of({"length": ("uint", True)})
# The frames of appendix A.7; `unknown` are those that QUIC does not have.
STREAM_ID, MUST, MAY = ("uint", True), ("uint", True), ("uint", False)
ACK = {"ack_delay": ("ms", False), "acked_ranges": (lambda v: ranges(v), False), "ect0": MAY, "ect1": MAY, "ce": MAY}
FRAMES = {
    "padding": {}, "ping": {}, "ack": ACK, "reset_stream": {"stream_id": STREAM_ID, "error_code": MUST, "final_size": MUST},
    "stop_sending": {"stream_id": STREAM_ID, "error_code": MUST},
    "stream": {"stream_id": STREAM_ID, "offset": MUST, "length": MUST, "fin": ("true", False)},
    "max_data": {"maximum": MUST}, "max_stream_data": {"stream_id": STREAM_ID, "maximum": MUST},
    "max_streams": {"stream_type": (one_of("bidirectional"), True), "maximum": MUST},
    "path_challenge": {}, "path_response": {}, "datagram": {"length": MAY},
    "connection_close": {"error_space": (one_of("transport", "application"), False), "error_code": MAY, "raw_error_code": MAY},
}
OWN_FRAMES = {"control": {"offset": MUST, "length": MUST}, "retire_path": {"dx_path_id": MUST}, "path_status": {"dx_path_id": MUST},
              "open": {"stream_id": STREAM_ID, "dx_class": (one_of("bulk", "interactive"), True)}, "extension": {},
              "ack": {**ACK, "dx_path_id": MUST}}


def ranges(value):
    check(isinstance(value, list) and value, f"acked_ranges are {value!r}")
    for each in value:
        check(isinstance(each, list) and len(each) == 2 and all(map(WORD["uint"], each)) and each[0] <= each[1], f"a range is {each!r}")
    return True


def frames(value):
    check(isinstance(value, list), f"frames are {value!r}")
    for frame in value:
        kind = frame.get("frame_type")
        if kind == "unknown":
            check(frame.get("dx_frame") in OWN_FRAMES, f"a frame that nobody knows: {frame!r}")
            judge(frame, {"frame_type": ("text", True), "raw_frame_type": MUST, "dx_frame": ("text", True), **OWN_FRAMES[frame["dx_frame"]]},
                  f"frame {frame['dx_frame']}")
        else:
            check(kind in FRAMES, f"a frame that nobody knows: {frame!r}")
            judge(frame, {"frame_type": ("text", True), **FRAMES[kind]}, f"frame {kind}")
    return True


PACKET = {"header": (HEADER, True), "raw": (RAW, True), "frames": (frames, True), "is_mtu_probe_packet": ("true", False),
          "dx_fragmented": ("true", False), "ecn": (one_of("ECT(0)", "ECT(1)", "CE"), False)}
EVENTS = {
    "transport:packet_sent": PACKET, "transport:packet_received": PACKET,
    "transport:packet_dropped": {"header": (HEADER, True), "raw": (RAW, True), "trigger": (one_of("duplicate", "dos_prevention"), True)},
    "transport:stream_state_updated": {
        "stream_id": STREAM_ID, "stream_type": (one_of("bidirectional"), True), "new": (one_of("open", "closed"), True),
        "dx_opened_by": (one_of("local", "remote"), False)},
    "recovery:packet_lost": {
        "header": (HEADER, True), "raw": (RAW, True), "trigger": (one_of("reordering_threshold", "time_threshold"), True),
        "is_mtu_probe_packet": ("true", False)},
    "recovery:metrics_updated": {
        **{name: ("ms", False) for name in ("min_rtt", "smoothed_rtt", "latest_rtt", "rtt_variance")},
        **{name: MAY for name in ("pto_count", "congestion_window", "bytes_in_flight", "ssthresh", "pacing_rate")}},
    "recovery:congestion_state_updated": {"old": ("text", False), "new": ("text", True)},
    "recovery:loss_timer_updated": {"timer_type": (one_of("pto"), True), "event_type": (one_of("expired"), True)},
    "connectivity:mtu_updated": {"old": MAY, "new": MUST},
    "connectivity:connection_started": {
        "ip_version": (one_of("v4", "v6"), True), "protocol": ("text", True), "src_ip": ("text", True), "dst_ip": ("text", True),
        "src_port": MUST, "dst_port": MUST},
    "connectivity:connection_closed": {
        "owner": (one_of("local", "remote"), True), "trigger": (one_of("application", "error", "idle_timeout"), True),
        "connection_code": MUST, "dx_code": ("text", True)},
    "dx:path_updated": {
        "path_id": MUST, "continues": MAY, "local": ("text", False), "remote": ("text", False),
        "state": (one_of("present", "added", "used", "retiring", "retired", "validated", "moved", "down", "up"), True)},
    "dx:packet_given_up": {"header": (HEADER, True), "raw": (RAW, True)},
    "dx:packet_spuriously_lost": {"header": (HEADER, True)},
    "dx:records_lost": {"count": MUST},
    "dx:trace_ended": {"reason": (one_of("time", "channel", "reader"), True)},
}


def records(text):
    """The JSON texts of a sequence (RFC 7464 §2.2)."""
    check(text.startswith(SEPARATOR), f"it begins with {text[:40]!r}")
    check(text.endswith("\n"), f"it ends with {text[-40:]!r}: the last record is not whole")
    for each in text[1:].split(SEPARATOR):
        check(each.endswith("\n") and each.count("\n") == 1, f"a record that is no line: {each[:200]!r}")
        yield json.loads(each)


def read(path):
    """A trace, judged."""
    parts = records(path.read_text())
    head = next(parts)
    judge(head, {"qlog_version": (one_of("0.3"), True), "qlog_format": (one_of("JSON-SEQ"), True), "title": ("text", True),
                 "trace": (lambda v: isinstance(v, dict), True)}, "the head")
    judge(head["trace"], {"title": ("text", True), "vantage_point": (object_of({
        "name": ("text", True), "type": (one_of("client", "server"), True)}), True), "common_fields": (object_of({
            "protocol_type": (lambda v: v == ["DX"], True), "time_format": (one_of("relative"), True),
            "reference_time": ("ms", True)}), True)}, "the trace")
    events, time = [], 0
    for event in parts:
        judge(event, {"time": ("ms", True), "name": (lambda v: v in EVENTS, True), "group_id": ("text", True),
                      "data": (lambda v: isinstance(v, dict), True)}, "an event")
        judge(event["data"], EVENTS[event["name"]], event["name"])
        check(event["name"] != "recovery:metrics_updated" or event["data"], "metrics without any")
        check(event["time"] >= time, f"time goes back from {time} to {event['time']}")
        time = event["time"]
        events.append(event)
    return Trace(head, events)


class Trace:
    """What viewers make of the events of a trace: for each path its packets, and what became of them."""

    def __init__(self, head, events):
        self.head, self.events = head, events

    def of(self, name, **data):
        """The events of a name whose data have these values."""
        return [event for event in self.events if event["name"] == name and data.items() <= event["data"].items()]

    def packets(self, name):
        """(path, number) of the events of a name."""
        return [(event["group_id"], event["data"]["header"]["packet_number"]) for event in self.of(name)]

    def acknowledged(self):
        """The packets sent that ACK frames of received packets name."""
        return {(event["group_id"], number) for event in self.of("transport:packet_received") for frame in event["data"]["frames"]
                if frame["frame_type"] == "ack" for low, high in frame["acked_ranges"] for number in range(low, high + 1)}

    def losses(self):
        """The packets that statistics count as lost: not those that search for a larger MTU."""
        return [event for event in self.of("recovery:packet_lost") if "is_mtu_probe_packet" not in event["data"]]

    def series(self, name, path=None):
        """(time, value) of a metric, as it changes."""
        return [(event["time"], event["data"][name]) for event in self.of("recovery:metrics_updated")
                if name in event["data"] and path in (None, event["group_id"])]

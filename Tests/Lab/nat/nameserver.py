#!/usr/bin/env python3
"""nameserver.py ADDRESS ZONE - a name server for the lab: answers by UDP what ZONE says, in JSON {NAME: {TYPE: ...}}."""

import ipaddress
import json
import socket
import struct
import sys

TYPES = {"A": 1, "SRV": 33}


def spelled(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def bodies(kind, said):
    if kind == "A":
        return [ipaddress.IPv4Address(said).packed]
    return [struct.pack("!HHH", *numbers) + spelled(target) for *numbers, target in said]


def question(query):
    """(name, type, the question's bytes)."""
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1:place + 1 + query[place]].decode().lower())
        place += 1 + query[place]
    return ".".join(labels), struct.unpack_from("!H", query, place + 1)[0], query[12:place + 5]


def answer(query, zone):
    name, kind, asked = question(query)
    found = [body for known, said in zone.get(name, {}).items() if TYPES[known] == kind for body in bodies(known, said)]
    records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(body)) + body for body in found)
    # NXDOMAIN for what is not there; a name without such a record is no mistake.
    flags = 0x8580 if name in zone else 0x8583
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + asked + records


def main():
    address, zone = sys.argv[1], json.loads(sys.argv[2])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        query, source = server.recvfrom(4096)
        try:
            server.sendto(answer(query, zone), source)
        except (IndexError, struct.error, UnicodeDecodeError):
            continue        # no question


main()

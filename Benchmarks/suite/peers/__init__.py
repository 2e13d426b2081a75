"""What the gateways are measured beside."""

from __future__ import annotations

from .direct import Direct, PlainUDP
from .gateway import GatewayPair
from .nebula import Nebula
from .openvpn import OpenVPN
from .peer import Peer
from .singbox import Hysteria2, TUIC
from .socat import Socat
from .ssh import SSH
from .stunnel import Stunnel
from .variant import Variant
from .wireguard import WireGuardGo

CHACHA = "chacha20-poly1305@openssh.com"
PEERS = {variant.name: variant for variant in (
    Variant("dx", "two gateways", GatewayPair),
    Variant("dx-cubic", "two gateways told to use CUBIC", GatewayPair, {"congestion": "cubic"}, on_request=True),
    Variant("dx-bbr", "two gateways told to use BBR", GatewayPair, {"congestion": "bbr"}, on_request=True),
    Variant("dx-redundant", "two gateways, redundant", GatewayPair, {"multipath": "redundant"}, on_request=True),
    Variant("dx-aggregate", "two gateways, aggregate", GatewayPair, {"multipath": "aggregate"}, on_request=True),
    Variant("direct", "plain TCP", Direct),
    Variant("direct-bbr", "plain TCP, kernel BBR", Direct, bbr=True),
    Variant("udp", "plain UDP echo", PlainUDP),
    Variant("ssh", "ssh -L, aes128-gcm", SSH, {"cipher": "aes128-gcm@openssh.com"}),
    Variant("ssh-bbr", "ssh -L, aes128-gcm, kernel BBR", SSH, {"cipher": "aes128-gcm@openssh.com"}, bbr=True),
    Variant("ssh-chacha", "ssh -L, chacha20-poly1305", SSH, {"cipher": CHACHA}),
    Variant("stunnel", "stunnel, TLS 1.3 aes128-gcm", Stunnel),
    Variant("stunnel-bbr", "stunnel, kernel BBR", Stunnel, bbr=True),
    Variant("socat", "socat, no encryption", Socat),
    Variant("socat-bbr", "socat, no encryption, kernel BBR", Socat, bbr=True),
    Variant("hysteria2", "hysteria2 (QUIC) by sing-box", Hysteria2),
    Variant("tuic", "TUIC (QUIC, BBR) by sing-box", TUIC),
    Variant("wireguard-go", "wireguard-go of Debian", WireGuardGo),
    Variant("nebula", "Nebula of Debian", Nebula),
    Variant("openvpn", "OpenVPN of Debian, aes128-gcm, without its kernel module", OpenVPN),
)}
QUIC_AND_TUN = ("hysteria2", "tuic", "wireguard-go", "nebula", "openvpn")

__all__ = ["PEERS", "QUIC_AND_TUN", "Peer", "Variant"]

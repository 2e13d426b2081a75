"""A flame graph (SVG) of folded stacks: who called whom, as wide as the time spent there."""

from __future__ import annotations

import dataclasses
import html
import zlib
from collections.abc import Mapping, Sequence

WIDTH, ROW, FONT = 1400, 17, 11
# Narrower boxes cannot be seen, and there are thousands of them.
LEAST_PIXELS = 0.4
PIXELS_PER_LETTER = 6.3

STYLE = """<style>text{font:11px sans-serif;pointer-events:none}rect{stroke:#fff;stroke-width:.4}
g.f:hover rect{stroke:#000;stroke-width:1}</style>"""
# A click on a box widens it to the whole picture; a click on the background shows everything again.
SCRIPT = """<script><![CDATA[
const W=%d;
function zoom(x0,w,y){document.querySelectorAll('g.f').forEach(g=>{
const gx=+g.dataset.x,gw=+g.dataset.w,gy=+g.dataset.y,r=g.querySelector('rect'),t=g.querySelector('text');
const under=gy>=y&&gx<=x0+1e-6&&gx+gw>=x0+w-1e-6,over=gx>=x0-1e-6&&gx+gw<=x0+w+1e-6;
g.style.display=(under||over)?'':'none';
const nx=under?0:(gx-x0)/w*W,nw=under?W:gw/w*W;
r.setAttribute('x',nx);r.setAttribute('width',nw);t.setAttribute('x',nx+3);
t.textContent=nw>24?g.dataset.n.slice(0,Math.floor((nw-6)/6.3)):'';});}
document.addEventListener('click',e=>{const g=e.target.closest('g.f');
g?zoom(+g.dataset.x,+g.dataset.w,+g.dataset.y):zoom(0,W,0);});
]]></script>""" % WIDTH


@dataclasses.dataclass
class Node:
    name: str
    count: int = 0
    children: dict[str, Node] = dataclasses.field(default_factory=dict)

    def depth(self) -> int:
        return 1 + max((child.depth() for child in self.children.values()), default=0)


def tree(stacks: Mapping[Sequence[str], int]) -> Node:
    """Stacks are outermost first."""
    root = Node("all")
    for stack, count in stacks.items():
        node = root
        node.count += count
        for name in stack:
            node = node.children.setdefault(name, Node(name))
            node.count += count
    return root


def colour(name: str) -> str:
    """The kernel is orange, the C libraries yellow, ours and Swift red: what can be changed where."""
    shade = zlib.crc32(name.encode()) % 40
    if name.endswith("_[k]"):
        return f"rgb(240,{150 + shade},60)"
    if name.startswith(("DX", "dx_")):
        return f"rgb({215 + shade},{70 + shade},60)"
    if name.startswith("NIO") or "swift" in name.lower() or "Swift" in name:
        return f"rgb(235,{120 + shade},{120 + shade})"
    return f"rgb(225,{205 + shade},90)"


def svg(stacks: Mapping[Sequence[str], int], title: str, unit: str = "samples") -> str:
    root = tree(stacks)
    height = (root.depth() + 3) * ROW
    boxes: list[str] = []

    def draw(node: Node, x: float, level: int) -> None:
        width = WIDTH * node.count / root.count
        if width < LEAST_PIXELS:
            return
        y = height - (level + 1) * ROW
        name = node.name.removesuffix("_[k]")
        share = f"{name} ({node.count:,} {unit}, {100 * node.count / root.count:.2f} %)"
        shown = name[:int((width - 6) / PIXELS_PER_LETTER)] if width > 24 else ""
        boxes.append(
            f'<g class="f" data-x="{x:.3f}" data-w="{width:.3f}" data-y="{y}" data-n="{html.escape(name, True)}">'
            f"<title>{html.escape(share)}</title>"
            f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" fill="{colour(node.name)}"/>'
            f'<text x="{x + 3:.2f}" y="{y + ROW - 5}">{html.escape(shown)}</text></g>')
        for child in sorted(node.children.values(), key=lambda each: each.name):
            draw(child, x, level + 1)
            x += WIDTH * child.count / root.count

    if root.count:
        draw(root, 0, 0)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
            f'{STYLE}<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
            f'<text x="{WIDTH / 2}" y="{ROW + FONT / 2}" text-anchor="middle" style="font-size:15px">{html.escape(title)}</text>'
            f"{''.join(boxes)}{SCRIPT}</svg>\n")

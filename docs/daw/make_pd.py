"""Writes rtsep.pd, a Pure Data patch with every parameter, from the table of parameters.

python docs/daw/make_pd.py > docs/daw/rtsep.pd
"""

from __future__ import annotations

from itertools import pairwise

from rtsep.control import OSC_PORT as PORT
from rtsep.control import PARAMETERS, Parameter
from rtsep.osc.address import ROOT, address_of

WIDE, HIGH, TOP = 150, 46, 110
"""Pixels of a control's cell, and where the first row of them begins."""

COLOURS = "#fcfcfc #000000 #000000"

End = int | tuple[int, int]
"""An object, or one of its outlets."""


class Canvas:
    """Objects and the wires between them, numbered as Pure Data does: in the order of the file."""

    def __init__(self, size: str) -> None:
        self.size = size
        self.objects: list[str] = []
        self.wires: list[str] = []

    def add(self, kind: str, x: int, y: int, text: str) -> int:
        """Place an object; returns its number."""
        escaped = text.replace("$", "\\$").replace(",", " \\,").replace(";", " \\;")
        self.objects.append(f"#X {kind} {x} {y} {escaped};")
        return len(self.objects) - 1

    def wire(self, *path: End) -> None:
        """Connect each object with the next, from its first outlet unless another is given."""
        for source, target in pairwise(path):
            number, outlet = source if isinstance(source, tuple) else (source, 0)
            self.wires.append(f"#X connect {number} {outlet} {target} 0;")

    def chain(self, x: int, y: int, *texts: str) -> tuple[int, int]:
        """Objects below each other, connected; returns the first and the last."""
        found = [self.add("obj", x, y + 25 * row, text) for row, text in enumerate(texts)]
        self.wire(*found)
        return found[0], found[-1]

    def __str__(self) -> str:
        return "\n".join([f"#N canvas {self.size};", *self.objects, *self.wires])


def plumbing() -> Canvas:
    """What lies between the controls and rtsep."""
    canvas = Canvas("80 80 1100 700 plumbing 0")
    add, wire, chain = canvas.add, canvas.wire, canvas.chain
    net = add("obj", 20, 300, "netsend -u -b")
    _, connect = chain(20, 150, "t a b", "list prepend connect", "list trim")
    again = connect - 2
    wire(add("obj", 20, 20, "loadbang"), add("msg", 20, 45, f"127.0.0.1 {PORT}"), again)
    wire(add("obj", 150, 20, "r rtsep-connect"), again)
    wire(connect, net)
    wire((again, 1), add("msg", 150, 175, "disconnect"), net)
    ask = add("msg", 20, 350, f"{ROOT}/subscribe")
    wire(net, add("obj", 20, 325, "sel 1"), ask, add("obj", 20, 375, "s rtsep-send"))

    _, both = chain(320, 20, "r rtsep-send", "list append", "t a a")
    values, address = add("obj", 320, 120, "list split 1"), add("obj", 450, 120, "list split 1")
    packet, sent = chain(320, 200, "oscformat", "list prepend send", "list trim")
    to_address, set_address = chain(450, 145, "list prepend set", "list trim")
    wire((both, 1), address, to_address)
    wire(set_address, packet)
    wire(both, values)
    wire((values, 1), packet)
    wire(sent, net)

    parse, incoming = chain(620, 20, "oscparse", "list trim")
    wire((net, 1), parse)
    wire(incoming, add("obj", 760, 45, "s rtsep-receive"))
    branch(canvas, incoming, {tuple(address_of(name).split("/")[1:]): name for name in PARAMETERS}, 620, 80)
    for row, name in enumerate(PARAMETERS):
        texts = (f"r {name}-out", f"list prepend {address_of(name)}", "list trim", "s rtsep-send")
        chain(20 + 300 * (row % 8), 800 + 120 * (row // 8), *texts)
    return canvas


def branch(canvas: Canvas, source: End, names: dict[tuple[str, ...], str], x: int, y: int) -> None:
    """Bring what comes in to the controls, part by part of the address."""
    parts = list(dict.fromkeys(path[0] for path in names))
    route = canvas.add("obj", x, y, f"route {' '.join(parts)}")
    canvas.wire(source, route)
    for outlet, part in enumerate(parts):
        below = {path[1:]: name for path, name in names.items() if path[0] == part}
        if () in below:
            shown = canvas.add("msg", x, y + 30, "set $1")
            canvas.wire((route, outlet), shown, canvas.add("obj", x, y + 55, f"s {below[()]}-in"))
        else:
            branch(canvas, (route, outlet), below, x + 20, y + 60 + 70 * outlet)


def control(parameter: Parameter) -> tuple[str, str]:
    """A parameter's control: kind of object, and what it says after its place."""
    name = parameter.name
    label = name.removeprefix("prompt/").replace("/", "_")
    if parameter.kind is str:
        return "symbolatom", f"18 0 0 2 {label} {name}-in {name}-out 0"
    ends = f"{name}-out {name}-in {label}"
    if parameter.kind is bool:
        return "obj", f"tgl 18 0 {ends} 22 9 0 11 {COLOURS} {parameter.default:g} 1"
    return "obj", f"hsl 120 15 {parameter.low:g} {parameter.high:g} 0 0 {ends} 2 22 0 11 {COLOURS} 0 1"


def main() -> None:
    """Print the patch."""
    canvas = Canvas("40 40 1400 480 11")
    canvas.add(
        "text", 20, 10, "rtsep: write words (Enter sends them), turn knobs; what others turn is seen here."
    )
    canvas.add("text", 20, 30, "another computer or port: send HOST PORT to rtsep-connect")
    canvas.add("text", 20, 50, "anything else: send ADDRESS VALUES to rtsep-send, read rtsep-receive")
    rows: dict[str, int] = {}
    for name, parameter in PARAMETERS.items():
        group = name.rsplit("/", 1)[0] if name.startswith("prompt/") else "rest"
        rows[group] = rows.get(group, -1) + 1
        kind, text = control(parameter)
        canvas.add(kind, 20 + WIDE * list(rows).index(group), TOP + HIGH * rows[group], text)
    canvas.objects.append(f"{plumbing()}\n#X restore 20 75 pd plumbing;")
    print(canvas)


if __name__ == "__main__":
    main()

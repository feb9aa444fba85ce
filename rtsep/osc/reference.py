"""The table of addresses in docs/osc.md, made from the tables in the code; a test compares.

python -m rtsep.osc.reference
"""

from __future__ import annotations

from collections.abc import Iterator

from rtsep.control import STRIPS, Parameter
from rtsep.osc.address import ACTIONS, PARAMETER_AT, ROOT, SHORT, types_of
from rtsep.osc.readings import INSERT_HELP, RANGE, RANGE_HELP, READINGS
from rtsep.osc.subscribing import HELP

KNOB = f"{ROOT}/insert/N/param/NAME"
STRIP = f"{ROOT}/prompt/1/"


def table() -> str:
    """Every address in Markdown; the strips share their rows."""
    rows = [
        ("address", "takes", "what it does"),
        ("---", "---", "---"),
        *_parameters(),
        *_actions(),
        *_readings(),
    ]
    rows += [(f"`{address}`", _escaped(takes), does) for address, (takes, does) in HELP.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _parameters() -> Iterator[tuple[str, str, str]]:
    for address, parameter in PARAMETER_AT.items():
        if address.startswith(f"{ROOT}/prompt/") and not address.startswith(STRIP):
            continue
        shown = address.replace(STRIP, f"{ROOT}/prompt/N/")
        yield f"`{shown}`", _takes(parameter), parameter.help
    yield (
        f"`{ROOT}/insert/N/enable`",
        "0 or 1",
        "0 leaves effect N out, as they were asked for",
    )
    yield f"`{KNOB}`", "what it is", "a knob of effect N, by the plugin's own name for it"
    for address, target in SHORT.items():
        yield f"`{address}`", _takes(PARAMETER_AT[target]), f"the same as `{target}`"


def _actions() -> Iterator[tuple[str, str, str]]:
    for address, action in ACTIONS.items():
        takes = {"s": "words", "i": "0 or 1", "": "nothing, or 1 (0 is a button let go)"}[action.types]
        yield f"`{address}`", takes, action.help


def _readings() -> Iterator[tuple[str, str, str]]:
    for address, reading in READINGS.items():
        unit = f", {reading.unit}" if reading.unit else ""
        yield f"`{address}`", f"read: `{reading.types}`{unit}", reading.help
    yield f"`{ROOT}/insert/N`", "read: `sss`", INSERT_HELP
    yield f"`{KNOB}/{RANGE}`", "read: `sffss...`", RANGE_HELP
    yield f"`{ROOT}/latency/TERM`", "read: `f`, ms", "a part of the latency, as `rtsep bench` names them"


def _takes(parameter: Parameter) -> str:
    kind = types_of(parameter)
    if kind == "s":
        return "words"
    return "0 or 1" if kind == "i" else f"{parameter.low:g} to {parameter.high:g} {parameter.unit}".rstrip()


def _escaped(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    print(table())
    print(f"\nN is 1 to {STRIPS}.")

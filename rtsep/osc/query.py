"""OSCQuery: what can be sent and read, as JSON, for programs that build their surface from it.

The tree of https://github.com/Vidvox/OSCQueryProposal: FULL_PATH, CONTENTS, TYPE, ACCESS, RANGE, VALUE,
DESCRIPTION and UNIT for each address, HOST_INFO for the server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rtsep.control import Parameter, Status
from rtsep.osc.address import (
    ACTIONS,
    PARAMETER_AT,
    ROOT,
    SHORT,
    address_of,
    types_of,
    values_of,
)
from rtsep.osc.desk import Desk
from rtsep.osc.readings import (
    INSERT_HELP,
    RANGE_HELP,
    READINGS,
    Values,
    inserted,
    ranges,
    term_address,
    value,
)
from rtsep.osc.subscribers import Sender

NAME = "rtsep"

EVERYWHERE = ("0.0.0.0", "::", "")

READ, WRITE = 1, 2
"""Bits of ACCESS."""

ATTRIBUTES = ("FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "RANGE", "VALUE", "DESCRIPTION", "UNIT")
"""What can be asked for alone, as in ``/rtsep/gain?VALUE``."""

Node = dict[str, Any]


def host_info(osc: Sender) -> Node:
    """HOST_INFO: where the OSC server listens, and which attributes are given."""
    # Who listens on every address has none to tell: a client takes the one that it asked at.
    address = {} if osc[0] in EVERYWHERE else {"OSC_IP": osc[0]}
    return {
        "NAME": NAME,
        **address,
        "OSC_PORT": osc[1],
        "OSC_TRANSPORT": "UDP",
        "EXTENSIONS": dict.fromkeys(("ACCESS", "VALUE", "RANGE", "DESCRIPTION", "UNIT"), True),
    }


def tree(desk: Desk, status: Callable[[], Status]) -> Node:
    """The description of every address, with the values as they are now."""
    now = status()
    root: Node = {"FULL_PATH": "/", "ACCESS": 0, "DESCRIPTION": "live, text-prompted sound separation"}
    console = desk.console
    for name, parameter in console.parameters.items():
        _place(root, address_of(name), _parameter(parameter, values_of(console[name])))
    for address, target in SHORT.items():
        parameter = PARAMETER_AT[target]
        text = console[parameter.name]
        _place(root, address, _parameter(parameter, values_of(text)) | {"DESCRIPTION": f"same as {target}"})
    for address, reading in READINGS.items():
        values = value(address, now, desk)
        many = reading.types.endswith("...")
        node = _reading("s" * len(values) if many else reading.types, values, reading.help)
        _place(root, address, node | ({"UNIT": [reading.unit] * len(reading.types)} if reading.unit else {}))
    for term, ms in now.latency_terms_ms.items():
        node = _reading("f", (ms,), f"{term}, a part of the latency")
        _place(root, term_address(term), node | {"UNIT": ["ms"]})
    for described, all_of_them in ((INSERT_HELP, inserted(now, desk)), (RANGE_HELP, ranges(desk))):
        for address, found in all_of_them.items():
            types = "".join("s" if isinstance(each, str) else "f" for each in found)
            _place(root, address, _reading(types, found, described))
    for address, action in ACTIONS.items():
        old = _find(root, address) or {}
        node = {
            "TYPE": action.types or "N",
            "ACCESS": old.get("ACCESS", 0) | WRITE,
            "DESCRIPTION": action.help,
        }
        if address == f"{ROOT}/preset":
            node["RANGE"] = [{"VALS": desk.presets.names()}]
        elif action.types == "i":
            node["RANGE"] = [{"MIN": 0, "MAX": 1}]
        _place(root, address, node)
    return root


def find(root: Node, path: str) -> Node | None:
    """The node at a path, or None."""
    return _find(root, path)


def _parameter(parameter: Parameter, values: tuple[Any, ...]) -> Node:
    node: Node = {
        "TYPE": types_of(parameter),
        "ACCESS": READ | WRITE,
        "VALUE": list(values),
        "DESCRIPTION": parameter.help,
    }
    if parameter.kind is bool:
        node["RANGE"] = [{"MIN": 0, "MAX": 1}]
    elif parameter.choices:
        node["RANGE"] = [{"VALS": list(parameter.choices)}]
    elif parameter.kind is float:
        node["RANGE"] = [{"MIN": parameter.low, "MAX": parameter.high}]
    if parameter.unit:
        node["UNIT"] = [parameter.unit]
    return node


def _reading(types: str, values: Values, help: str) -> Node:
    return {"TYPE": types, "ACCESS": READ, "VALUE": list(values), "DESCRIPTION": help}


def _place(root: Node, address: str, attributes: Node) -> None:
    """Put attributes at an address, and containers on the way there."""
    node, path = root, ""
    for part in address.split("/")[1:]:
        path += f"/{part}"
        node = node.setdefault("CONTENTS", {}).setdefault(part, {"FULL_PATH": path, "ACCESS": 0})
    node.update(attributes)


def _find(root: Node, path: str) -> Node | None:
    node: Node | None = root
    for part in filter(None, path.split("/")):
        node = (node or {}).get("CONTENTS", {}).get(part)
        if node is None:
            return None
    return node

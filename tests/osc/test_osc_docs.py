"""docs/osc.md and the files beside it say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rtsep.control import OSC_PORT as PORT
from rtsep.control import PARAMETERS
from rtsep.osc import guard, packet, schedule, subscribers
from rtsep.osc.address import ACTIONS, FADER_AT, PARAMETER_AT, SHORT
from rtsep.osc.readings import READINGS
from rtsep.osc.reference import table
from rtsep.osc.subscribing import HELP

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "osc.md").read_text(encoding="utf-8")
FILES = ["osc.md", "daw/touchosc.md", "daw/ableton.md", "daw/ableton_names.py", "daw/rtsep.ReaperOSC"]


def test_the_table_of_addresses_is_made_from_the_code() -> None:
    assert f"<!-- addresses -->\n{table()}\n<!-- end -->" in TEXT


def test_every_parameter_is_in_the_table() -> None:
    for name, parameter in PARAMETERS.items():
        row = f"| `/rtsep/{re.sub('prompt/[1-8]/', 'prompt/N/', name)}` |"
        assert row in TEXT
        assert parameter.help in TEXT


@pytest.mark.parametrize("name", FILES)
def test_every_address_that_is_mentioned_exists(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    known = {
        *PARAMETER_AT,
        *ACTIONS,
        *READINGS,
        *SHORT,
        *HELP,
        *FADER_AT,
        "/rtsep/error",
        "/rtsep/latency/TERM",
        "/rtsep/insert/1",
        "/rtsep/insert/1/enable",
        "/rtsep/insert/1/param/NAME",
        "/rtsep/insert/1/param/NAME/range",
        "/rtsep/insert/N",
        "/rtsep/spectrum/in",
        "/rtsep/spectrum/out",
    }
    for found in re.findall(r"(?<![\w.])/rtsep/[\w/*{},]+", text):
        address = found.rstrip(",/").replace("/N/", "/1/")
        assert address in known or "*" in address, address


@pytest.mark.parametrize("name", FILES)
def test_the_port_that_is_mentioned_is_the_one(name: str) -> None:
    assert str(PORT) in (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "figure",
    [
        f"up to {schedule.FARTHEST_S:.0f} s ahead",
        f"{schedule.MOST:,} messages",
        f"At most {subscribers.MOST} are kept",
        f"{subscribers.FASTEST:.0f} at most",
        f"After {guard.ERRORS_AT_ONCE} at\nonce a host gets {guard.ERRORS_A_SECOND:.0f} a second",
        f"over {packet.LARGEST // 1024} KiB, bundles more than {packet.DEEPEST} deep",
    ],
)
def test_figures_are_those_of_the_code(figure: str) -> None:
    assert figure in TEXT

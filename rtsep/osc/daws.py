"""What digital audio workstations send by themselves and rtsep understands as a prompt for strip 1.

A marker, region or track name becomes the prompt without a script on the other side. A name that says
nothing leaves the prompt as it is: REAPER sends an empty one before the first marker, Ardour its arrows.
"""

from __future__ import annotations

from collections.abc import Callable

from rtsep.osc.packet import Message

_ARDOUR_MARKS = frozenset({"start", "end", "No Marks", ""})


def prompt(message: Message) -> str | None:
    """The prompt that a message of a DAW asks for: empty for none, None if it is no such message."""
    if message.address not in NAMES or len(message.arguments) != 1:
        return None
    (name,) = message.arguments
    return NAMES[message.address](name).strip() if isinstance(name, str) else None


def _ardour(text: str) -> str:
    """The marker last passed, out of "rain", "rain <-> dog", "rain <-" or "-> rain"."""
    name = "" if text.startswith("-> ") else text.split(" <-", 1)[0].strip()
    return "" if name in _ARDOUR_MARKS else name


NAMES: dict[str, Callable[[str], str]] = {
    "/lastmarker/name": str,  # REAPER, LAST_MARKER_NAME of Default.ReaperOSC
    "/lastregion/name": str,  # REAPER, LAST_REGION_NAME
    "/marker": _ardour,  # Ardour's feedback, after /set_surface
    "/track/selected/name": str,  # Bitwig, through DrivenByMoss
}
"""Address to what makes a prompt of the name that comes with it."""

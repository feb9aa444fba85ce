"""What turns parameters from elsewhere: MIDI controls and OSC addresses that were learnt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rtsep.control.inserts import KNOB
from rtsep.control.parameters import PARAMETERS
from rtsep.errors import CommandError

MOST_BINDINGS = 100
"""Enough for every knob of a large controller; the list of them fits into one datagram."""

LONGEST_SOURCE = 100
"""Characters."""

ALL = "*"
"""Everything that is bound, where one parameter or source could be named."""

_MIDI = re.compile(r"midi/(\d{1,2})/(?:(?:cc|note)/(\d{1,3})|pitchbend)", re.ASCII)


def check_source(source: str) -> str:
    """The source itself: ``midi/1/cc/7``, ``midi/16/note/60``, ``midi/1/pitchbend``, or an OSC address.

    Raises:
        CommandError: it is none of these, or one of rtsep's own addresses.
    """
    if midi := _MIDI.fullmatch(source):
        channel, number = int(midi[1]), int(midi[2] or 0)
        if 1 <= channel <= 16 and number <= 127:
            return source
    elif re.fullmatch(rf"/[!-~]{{1,{LONGEST_SOURCE - 1}}}", source) and not set(source) & set("#*,?[]{}"):
        if source == "/rtsep" or source.startswith("/rtsep/"):
            raise CommandError(f"{source} is an address of rtsep's own and needs no learning")
        return source
    raise CommandError(
        f"{source[:LONGEST_SOURCE]!r} is no control: use midi/1/cc/7, midi/1/note/60 or midi/1/pitchbend "
        "(channel 1 to 16, number 0 to 127), or an OSC address such as /1/fader3"
    )


def check_name(name: str) -> str:
    """The name of a parameter itself.

    Raises:
        CommandError: there is no such parameter.
    """
    if name not in PARAMETERS and not KNOB.fullmatch(name):
        raise CommandError(f"no parameter {name[:80]!r}; see the table of parameters in README.md")
    return name


@dataclass(frozen=True)
class Bindings:
    """Sources, and the parameter that each of them turns; a parameter may have several sources."""

    pairs: tuple[tuple[str, str], ...] = ()
    """Source and parameter, the one learnt last at the end."""

    @classmethod
    def of(cls, table: Mapping[str, object]) -> Bindings:
        """What a preset says, parameters with dots or slashes.

        Raises:
            CommandError: a source, a parameter or their number is not allowed.
        """
        found = cls()
        for source, name in table.items():
            if not isinstance(name, str):
                raise CommandError(f"{source!r} is {name!r}, but must be the name of a parameter in quotes")
            found = found.bound(source, name.replace(".", "/"))
        return found

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def get(self, source: str) -> str | None:
        """The parameter that a source turns."""
        return next((name for each, name in self.pairs if each == source), None)

    def bound(self, source: str, name: str) -> Bindings:
        """With one more; what the source turned before it turns no more.

        Raises:
            CommandError: it cannot turn that, or there are too many.
        """
        check_source(source), check_name(name)
        if name in PARAMETERS and PARAMETERS[name].kind is str and not source.startswith("/"):
            raise CommandError(f"{name} takes words: {source} has none, an OSC address may")
        kept = tuple(pair for pair in self.pairs if pair[0] != source)
        if len(kept) >= MOST_BINDINGS:
            raise CommandError(f"{MOST_BINDINGS} controls are bound already: unlearn one first")
        return Bindings((*kept, (source, name)))

    def without(self, what: str) -> Bindings:
        """Without a source, without all sources of a parameter, or, for ``ALL``, none.

        Raises:
            CommandError: nothing of that name is bound.
        """
        kept = () if what == ALL else tuple(pair for pair in self.pairs if what not in pair)
        if len(kept) == len(self.pairs) and what != ALL:
            have = ", ".join(f"{source} turns {name}" for source, name in self.pairs) or "none"
            raise CommandError(f"nothing is bound to {what[:80]!r}; bound are: {have}"[:400])
        return Bindings(kept)

"""Every session that one process edits, whatever the shape of its codes. One thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rtsep.models.bundle import Bundle
from rtsep.models.condition import Condition
from rtsep.serve.batch import Batch
from rtsep.serve.format import CodeFormat, Frames
from rtsep.serve.session import Session


class Edited(NamedTuple):
    """A frame that is done."""

    session: int
    frames: Frames


class Service:
    """Edits the codes of many sessions; the same object for a server and for files.

    Args:
        bundle: the model.
        threads: for the arithmetic of one step.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle, self._threads = bundle, threads
        self.sessions: dict[int, Session] = {}
        self._batches: dict[tuple[int, int], Batch] = {}

    def open(
        self, number: int, format: CodeFormat, condition: Condition, longest_wait: int | None = None
    ) -> Session:
        """Begin a session, see ``Session``.

        Raises:
            CodeError: its codes are another model's.
        """
        format.check(self.bundle)
        self.prepare(format)
        self._batches[_shape(format)].join(number, condition)
        self.sessions[number] = Session(format, condition, longest_wait)
        return self.sessions[number]

    def prepare(self, format: CodeFormat) -> None:
        """Have everything ready for codes of this shape: their first session would wait 0.16 s for it."""
        shape = _shape(format)
        if shape not in self._batches:
            self._batches[shape] = Batch(self.bundle, *shape, self._threads)

    def close(self, number: int) -> None:
        """End a session, if there is one of that number."""
        session = self.sessions.pop(number, None)
        if session is not None:
            self._batches[_shape(session.format)].leave(number)

    def reset(self, number: int) -> None:
        """Have a session forget what it heard; frames that wait stay."""
        session = self.sessions[number]
        self._batches[_shape(session.format)].join(number, session.condition)

    @property
    def ready(self) -> list[int]:
        """The sessions that have frames waiting."""
        return [number for number, session in self.sessions.items() if session.waiting]

    def tick(self) -> Iterator[Edited]:
        """Edit one frame of every session that has one."""
        ready: dict[tuple[int, int], list[int]] = {}
        for each in self.ready:
            ready.setdefault(_shape(self.sessions[each].format), []).append(each)
        for shape, sessions in ready.items():
            yield from self._tick(self._batches[shape], sessions)

    def _tick(self, batch: Batch, ready: list[int]) -> Iterator[Edited]:
        taken = {}
        for each in ready:
            number, codes, condition, anew = self.sessions[each].take()
            if anew:
                batch.join(each, condition)
            else:
                batch.turn(each, condition)
            taken[each] = number, codes
        untouched = {each for each in taken if self.sessions[each].condition.changes_nothing}
        before = {each: batch.encoding(each) for each in untouched}
        edited = batch.step({each: codes for each, (_, codes) in taken.items()})
        for each, (number, codes) in taken.items():
            if each in untouched:
                batch.pass_on(each, codes, before[each])
            found = codes if each in untouched else edited[each]
            yield Edited(each, Frames(number, found.numpy()[None]))


def _shape(format: CodeFormat) -> tuple[int, int]:
    """What the codes of a batch have in common."""
    return format.channels, format.codebooks

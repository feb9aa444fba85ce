"""One stream of codes under edit: its console, its numbers, and what is still to be done for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rtsep.control import Console
from rtsep.errors import CodeError
from rtsep.models.condition import Condition
from rtsep.models.fade import Fade
from rtsep.models.prompts import FilmCache
from rtsep.serve.format import CodeFormat, Frames

MOST_GAP = 128
"""Frames missing in a row after which what was heard before no longer helps: the session begins anew."""


@dataclass(frozen=True)
class Counts:
    """What became of a session's frames."""

    received: int = 0
    edited: int = 0
    missing: int = 0
    """Never sent, by the gaps in their numbers."""
    late: int = 0
    """Not edited because newer ones were waiting already."""
    refused: int = 0
    """Sent twice, or after newer ones."""
    resyncs: int = 0
    """Times that the session's memory began anew."""


class Session:
    """The frames of one stream on their way in; no thread of its own.

    Args:
        format: of its codes.
        condition: what to do to them.
        longest_wait: frames that may wait before the oldest of them are given up as late, where the
            stream is live; None gives up none.
    """

    def __init__(self, format: CodeFormat, condition: Condition, longest_wait: int | None = None) -> None:
        self.format, self.counts = format, Counts()
        self._fade = Fade(condition)
        self._longest_wait = longest_wait
        self._waiting: deque[tuple[int, Tensor, bool]] = deque()
        self._next: int | None = None  # the number that should come next; a stream may begin with any

    @property
    def condition(self) -> Condition:
        """What is done to the frame that was taken last."""
        return self._fade.now

    @property
    def waiting(self) -> int:
        """Frames that can be edited."""
        return len(self._waiting)

    def turn(self, condition: Condition) -> None:
        """Edit otherwise from the next frame on, faded where there was one; the same changes nothing."""
        if self._next is None:
            self._fade = Fade(condition)
        else:
            self._fade.head_for(condition)

    def put(self, frames: Frames) -> None:
        """Take frames; missing ones are counted, and after many the session begins anew.

        Raises:
            CodeError: they are not newer than those before.
        """
        number, codes = frames
        expected = number if self._next is None else self._next
        gap = number - expected
        if gap < 0:
            self._count(refused=len(codes))
            raise CodeError(f"frame {number} came after frame {expected - 1}: numbers only rise")
        anew = gap > MOST_GAP
        self._count(received=len(codes), missing=gap, resyncs=int(anew))
        for offset, frame in enumerate(torch.from_numpy(codes)):
            self._waiting.append((number + offset, frame, anew and offset == 0))
        self._next = number + len(codes)
        self._give_up()

    def take(self) -> tuple[int, Tensor, Condition, bool]:
        """The next frame: its number, its codes, what to do to it, and whether to begin anew before it."""
        number, codes, anew = self._waiting.popleft()
        if self._fade.moving:
            self._fade.move()
        self._count(edited=1)
        return number, codes, self.condition, anew

    def _give_up(self) -> None:
        """A live stream that has fallen behind goes on with what is new."""
        if self._longest_wait is None or len(self._waiting) <= self._longest_wait:
            return
        late = len(self._waiting) - 1
        for _ in range(late):
            self._waiting.popleft()
        number, codes, _ = self._waiting.popleft()
        self._waiting.append((number, codes, True))
        self._count(late=late, resyncs=1)

    def _count(self, **more: int) -> None:
        now = {name: getattr(self.counts, name) + count for name, count in more.items()}
        self.counts = replace(self.counts, **now)


def code_condition(console: Console, films: FilmCache, parameters: int, *, whole: bool = True) -> Condition:
    """What a console asks of codes.

    Args:
        console: what to hear.
        films: FiLM parameters of its prompts.
        parameters: how many each prompt has.
        whole: everything the console says; otherwise only what the strips are heard as, where whoever
            has the input itself adds its share, gain and wet/dry.
    """
    found = Condition.of(console, films, parameters)
    if whole:
        return found.of_result(console)
    return replace(found, mix=found.mix._replace(dry=torch.zeros_like(found.mix.dry)))

"""The way from one condition to another, hop by hop."""

from __future__ import annotations

from rtsep.models.condition import Condition

FADE_HOPS = 3
"""A change is spread over so many hops."""


class Fade:
    """What is heard now, and what is to be heard. Nothing is worked out before its hop: in a flood of changes
    most are overtaken, and each tensor operation may cost the audio thread its turn at the interpreter.

    Args:
        condition: to begin with.
    """

    def __init__(self, condition: Condition) -> None:
        self.now = self._goal = self._start = self._end = condition
        self._hop = FADE_HOPS

    @property
    def moving(self) -> bool:
        """Whether the next hop hears something else."""
        return self.now is not self._goal

    def head_for(self, goal: Condition) -> None:
        """Hear something else ``FADE_HOPS`` from now; the same changes nothing."""
        goal = goal.sharing(self.now)
        if goal.same(self._goal):
            return
        self._goal, self._hop = goal, 0
        self._start, self._end = self.now.beside(goal)

    def move(self) -> None:
        """Go on to the next hop."""
        self._hop += 1
        if self._hop < FADE_HOPS:
            self.now = self._start.toward(self._end, self._hop / FADE_HOPS)
        else:
            self.now = self._start = self._end = self._goal

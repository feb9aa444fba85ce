"""What the engine says its parameters are, beside what it was asked to make them.

An edit is believed at once and the echo confirms it. Echoes of earlier edits, which are still on their
way while a fader moves, must not pull it back; an edit that is never confirmed must not stand for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rtsep.control import PARAMETERS, Value

SETTLE_S = 0.4
"""How long an edit may stay without its echo before the engine is asked what holds."""
LEARN_S = 10.0
"""The same for words, which the engine may have to learn first."""
PRESET = "preset"
"""What a preset that is asked for is called among the edits."""


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal, but for the rounding to 32 bits on the wire."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)


@dataclass
class Values:
    """The engine's values by name, and the edits that it has not confirmed yet."""

    known: dict[str, Value] = field(default_factory=dict)
    """As last echoed."""
    _asked: dict[str, tuple[Value, float]] = field(default_factory=dict)
    """By name, with the time."""
    _given_up: dict[str, tuple[Value, float]] = field(default_factory=dict)
    """Of those whose confirmation nobody waits for any more, what the engine has said nothing of since."""

    def ask(self, name: str, value: Value, now: float) -> bool:
        """Note an edit; False if the engine holds that value already, and nothing else was asked."""
        if name not in self._asked and name in self.known and same(self.known[name], value):
            return False
        self._asked[name] = (value, now)
        return True

    def ask_preset(self, name: str, now: float) -> None:
        """Note that a preset is asked for: it settles every edit before it."""
        self.give_up()
        self._asked[PRESET] = (name, now)

    def echo_preset(self, name: str) -> None:
        """Note which preset the engine has loaded."""
        if self._asked.get(PRESET, ("", 0.0))[0] == name:
            self._asked.pop(PRESET, None)

    def echo(self, name: str, value: Value) -> bool:
        """Note what the engine holds; False if a newer edit is on its way and should stay on the screen."""
        self.known[name] = value
        self._given_up.pop(name, None)
        if name in self._asked:
            if not same(self._asked[name][0], value):
                return False
            del self._asked[name]
        return True

    def overdue(self, now: float) -> list[str]:
        """Edits that should have been confirmed by now; they are given up."""
        late = [name for name, (_, since) in self._asked.items() if now - since > patience(name)]
        return self._give_up(late)

    def give_up(self) -> list[str]:
        """Every edit that is not confirmed; they are given up: the engine has refused something."""
        return self._give_up(list(self._asked))

    def lost(self) -> dict[str, Value]:
        """Every edit that an engine which has gone may not have heard of, by name, oldest first; they are
        forgotten."""
        found = sorted((self._given_up | self._asked).items(), key=lambda edit: edit[1][1])
        self._asked.clear()
        self._given_up.clear()
        return {name: value for name, (value, _) in found}

    def waits(self, name: str) -> bool:
        """Whether an edit of this parameter is not confirmed yet."""
        return name in self._asked

    def _give_up(self, names: list[str]) -> list[str]:
        """Those of parameters; nobody has to be asked which preset is loaded."""
        late = {name: self._asked.pop(name) for name in names}
        late.pop(PRESET, None)
        self._given_up |= late
        return list(late)


def patience(name: str) -> float:
    """Seconds that the engine has to confirm a parameter, or a preset."""
    return LEARN_S if name == PRESET or PARAMETERS[name].kind is str else SETTLE_S

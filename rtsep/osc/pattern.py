"""Address patterns of OSC 1.0: ``?``, ``*``, ``[a-z]``, ``[!a-z]``, ``{this,that}``, part by part.

Matched by keeping every position that can be reached, never by backtracking: a pattern made to be slow
takes as long as any other of its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

SPECIAL = frozenset("?*[]{}")
"""What makes an address a pattern."""

Step = Callable[[str, set[int]], set[int]]
"""From the positions in a name where the pattern may stand so far, to those after one more piece of it."""


def is_pattern(address: str) -> bool:
    """Whether an address may stand for several."""
    return not SPECIAL.isdisjoint(address)


def matches(pattern: str, addresses: Iterable[str]) -> list[str]:
    """Those addresses that a pattern stands for, in their order; none for a pattern that is not closed."""
    try:
        parts = [_compiled(part) for part in pattern.split("/")]
    except ValueError:
        return []
    found = []
    for address in addresses:
        names = address.split("/")
        if len(names) == len(parts) and all(map(_fits, parts, names)):
            found.append(address)
    return found


def _fits(steps: tuple[Step, ...], name: str) -> bool:
    positions = {0}
    for step in steps:
        positions = step(name, positions)
        if not positions:
            return False
    return len(name) in positions


@lru_cache(maxsize=256)
def _compiled(part: str) -> tuple[Step, ...]:
    """A part's pieces. ValueError where a bracket is not closed."""
    steps: list[Step] = []
    at = 0
    while at < len(part):
        here = part[at]
        if here in "[{":
            end = part.index("]" if here == "[" else "}", at + 1)
            inside = part[at + 1 : end]
            steps.append(_one_of(inside) if here == "[" else _either(tuple(inside.split(","))))
            at = end
        elif here in "]}":
            raise ValueError("a bracket that was not opened")
        elif here == "*":
            steps.append(_anything)
        else:
            steps.append(_one_of("!") if here == "?" else _either((here,)))
        at += 1
    return tuple(steps)


def _anything(name: str, positions: set[int]) -> set[int]:
    return set(range(min(positions), len(name) + 1))


def _either(words: tuple[str, ...]) -> Step:
    def step(name: str, positions: set[int]) -> set[int]:
        return {at + len(word) for at in positions for word in words if name.startswith(word, at)}

    return step


def _one_of(inside: str) -> Step:
    """One character of a list with ranges; of any other if it begins with ``!``."""
    negated = inside.startswith("!")
    listed = inside[1:] if negated else inside
    single, spans, at = set[str](), list[tuple[str, str]](), 0
    while at < len(listed):
        if listed[at + 1 : at + 2] == "-" and at + 2 < len(listed):
            spans.append((listed[at], listed[at + 2]))
            at += 3
        else:  # a minus at the end means itself
            single.add(listed[at])
            at += 1

    def within(letter: str) -> bool:
        return letter in single or any(low <= letter <= high for low, high in spans)

    def step(name: str, positions: set[int]) -> set[int]:
        return {at + 1 for at in positions if at < len(name) and within(name[at]) != negated}

    return step

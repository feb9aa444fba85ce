"""Datagrams that nobody should send: random, damaged, nested, from the future, and right ones in between."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from rtsep.control import PARAMETERS
from rtsep.osc.address import ACTIONS, ROOT, address_of
from rtsep.osc.packet import Sendable, write, write_bundle
from rtsep.osc.readings import READINGS

ADDRESSES = [
    *map(address_of, PARAMETERS),
    *READINGS,
    *sorted(ACTIONS.keys() - {f"{ROOT}/quit"}),  # which would be obeyed
    "/rtsep/subscribe/meters",
    "/rtsep/unsubscribe",
    "/rtsep/error",
    "/rtsep/prompt",
    "/rtsep/prompt/*/mute",
    "/rtsep/prompt/[1-4]/{solo,mute}",
    "/rtsep/{*,?*}/[!z]/" + "*a" * 50,
    "/lastmarker/name",
    "/marker",
    "/time",
    "/",
    "//",
    "/rtsep",
]
"""Addresses that mean something, nearly mean something, or nothing."""

WORDS = ["", "dog barking", "rain", "x" * 400, "ünïcödé", "%s%n", "../../etc/passwd", "\x1b[2J"]


def datagrams(seed: int, words: list[str] | None = None) -> Iterator[bytes]:
    """Datagrams without end; the same seed gives the same ones, but for the time in time tags.

    Args:
        seed: of the random numbers.
        words: prompts that are sent; by default some that are meant to hurt.
    """
    chance = random.Random(seed)
    makers = (_random, _damaged, _right, _right, _wrong, _bundle, _hollow)
    while True:
        yield chance.choice(makers)(chance, words or WORDS)


def _random(chance: random.Random, _: list[str]) -> bytes:
    return chance.randbytes(int(2 ** chance.uniform(0, 11)))


def _damaged(chance: random.Random, words: list[str]) -> bytes:
    data = bytearray(_right(chance, words))
    for _ in range(chance.randrange(1, 5)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.randrange(len(data) + 1)])


def _right(chance: random.Random, words: list[str]) -> bytes:
    name = chance.choice(list(PARAMETERS))
    parameter = PARAMETERS[name]
    value: Sendable = chance.uniform(parameter.low, parameter.high)
    if parameter.kind is not float:
        value = chance.choice(words) if parameter.kind is str else chance.random() < 0.5
    return write(address_of(name), value)


def _wrong(chance: random.Random, words: list[str]) -> bytes:
    values: list[Sendable] = [
        chance.uniform(-1e9, 1e9),
        float("nan"),
        chance.randrange(-5, 5),
        chance.choice(words),
    ]
    return write(chance.choice(ADDRESSES), *chance.choices(values, k=chance.randrange(4)))


def _bundle(chance: random.Random, words: list[str]) -> bytes:
    content = [_right(chance, words) for _ in range(chance.randrange(4))]
    due = chance.choice([0.0, 1.0, time.time() + chance.uniform(-1, 1), time.time() + 1e6, 2_000_000_000.0])
    data = write_bundle(due, *content)
    for _ in range(chance.randrange(12)):
        data = write_bundle(chance.choice([0.0, due]), data)
    return data


def _hollow(chance: random.Random, words: list[str]) -> bytes:
    """A bundle whose sizes do not fit what is in it."""
    size = chance.choice([-4, -1, 0, 3, 2**31 - 1])
    return b"#bundle\0" + bytes(7) + b"\1" + size.to_bytes(4, "big", signed=True) + _right(chance, words)

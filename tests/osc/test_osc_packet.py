"""Datagrams, patterns and the names that DAWs send."""

from __future__ import annotations

import random
import time

import pytest

from rtsep.osc import daws
from rtsep.osc.packet import DEEPEST, LARGEST, MalformedError, Message, Timed, read, write, write_bundle
from rtsep.osc.pattern import is_pattern, matches

NAMES = ["/rtsep/gain", "/rtsep/prompt/1/gain", "/rtsep/prompt/1/mute", "/rtsep/prompt/2/mute", "/rtsep/wet"]


@pytest.mark.parametrize("values", [(), (1.5,), (7,), ("dog barking",), ("ünïcödé", -1, 0.25), ("",)])
def test_what_is_written_is_read(values: tuple[float | str, ...]) -> None:
    assert read(write("/rtsep/x", *values)) == [Timed(0.0, Message("/rtsep/x", values))]


def test_switches_are_written_as_whole_numbers_and_large_ones_held_at_the_end() -> None:
    assert read(write("/x", True, False, 2**40))[0].message.arguments == (1, 0, 2**31 - 1)


def test_what_utf_8_cannot_say_is_written_as_question_marks() -> None:
    assert read(write("/x", "a\udc80b\0c"))[0].message.arguments == ("a?b c",)


def test_a_bundle_keeps_its_order_and_nothing_in_it_is_due_before_it() -> None:
    due = 2_000_000_000.0  # 2033; the clock of time tags begins again in 2036
    inner = write_bundle(0, write("/b", 2))
    messages = read(write_bundle(due, write("/a", 1), inner, write("/c", 3)))
    assert [timed.message.address for timed in messages] == ["/a", "/b", "/c"]
    assert [timed.due for timed in messages] == pytest.approx([due] * 3)


def nested(depth: int) -> bytes:
    """A message in so many bundles."""
    data = write("/x")
    for _ in range(depth):
        data = write_bundle(0, data)
    return data


def test_bundles_nest_to_a_depth_and_no_further() -> None:
    assert len(read(nested(DEEPEST))) == 1
    with pytest.raises(MalformedError, match="nested more than"):
        read(nested(DEEPEST + 1))
    with pytest.raises(MalformedError, match="nested more than"):
        read(nested(700))  # 14 KB, and python-osc's own reader would recurse as deep


@pytest.mark.parametrize("size", [-4, -1, 0, 2**31 - 1, -(2**31), 9])
def test_a_bundle_whose_element_has_an_impossible_size_is_refused_at_once(size: int) -> None:
    data = b"#bundle\0" + bytes(7) + b"\1" + size.to_bytes(4, "big", signed=True) + write("/x")
    with pytest.raises(MalformedError, match="element of"):  # python-osc never returns from -4
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"x",
        b"/",
        b"/x",
        b"#bundle\0",
        b"#bundle\0\0\0\0\0",
        b"#bundle\0\0\0\0\0\0\0\0\1\0\0",
        b"/x\0\0,q\0\0",
        b"/x\0\0,s\0\0abc",
        b"/x\0\0,s\0\0\xff\xfe\xfd\0",
        b"/\xff\0\0",
        b"/x\0\0nonsense",
        write("/" + "x" * 255),
        b"/x\0\0,[\0\0",
        b"/x\0\0,t\0\0",
        b"/x\0\0," + b"i" * 200 + b"\0" * 3 + bytes(800),
        write("/x", "y" * LARGEST),
    ],
    ids=range(18),
)
def test_what_is_not_osc_is_refused(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MalformedError):
        read(data)
    assert not caplog.records


def test_random_bytes_and_damaged_messages_are_read_or_refused_and_nothing_else() -> None:
    chance = random.Random(4)
    whole = [write("/rtsep/prompt/1/text", "dog barking"), nested(3), write("/rtsep/gain", 1.0)]
    for _ in range(5000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data[: chance.randrange(len(data) + 1)]))
        except MalformedError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/rtsep/prompt/*/mute", [2, 3]),
        ("/rtsep/prompt/[1-3]/mute", [2, 3]),
        ("/rtsep/prompt/[!1]/mute", [3]),
        ("/rtsep/prompt/?/gain", [1]),
        ("/rtsep/{gain,wet}", [0, 4]),
        ("/rtsep/prompt/1/{g,m}*", [1, 2]),
        ("/rtsep/*", [0, 4]),
        ("/*/*", [0, 4]),
        ("/rtsep/g*n", [0]),
        ("/rtsep/*e*", [4]),
        ("/rtsep/??", []),
        ("/rtsep/{,ga}in", [0]),
        ("/rtsep/[", []),
        ("/rtsep/{wet", []),
        ("/rtsep/wet]", []),
        ("/rtsep/[t-w]et", [4]),
        ("/rtsep/we[t-]", [4]),
    ],
)
def test_patterns_match_as_osc_1_0_has_it(pattern: str, found: list[int]) -> None:
    assert is_pattern(pattern)
    assert matches(pattern, NAMES) == [NAMES[index] for index in found]


def test_a_pattern_made_to_be_slow_is_not() -> None:
    began = time.perf_counter()
    for pattern in ("*a" * 120, "{,a}*" * 48, "[!z]*" * 48, "**" * 120, "?*" * 120):
        matches(f"/rtsep/{pattern}Q", NAMES)
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    ("address", "text", "said"),
    [
        ("/lastmarker/name", "dog barking", "dog barking"),
        ("/lastregion/name", "rain", "rain"),
        ("/lastregion/name", "", ""),
        ("/marker", "rain", "rain"),
        ("/marker", "rain <-> dog", "rain"),
        ("/marker", "rain <-", "rain"),
        ("/marker", "-> rain", ""),
        ("/marker", "start <-> rain", ""),
        ("/marker", "No Marks", ""),
        ("/marker", " ", ""),
        ("/track/selected/name", "Violin", "Violin"),
        ("/track/1/name", "Violin", None),
    ],
)
def test_names_that_daws_send_are_prompts_and_what_names_nothing_is_none(
    address: str, text: str, said: str | None
) -> None:
    assert daws.prompt(Message(address, (text,))) == said


def test_a_name_that_is_no_text_is_no_prompt() -> None:
    assert daws.prompt(Message("/marker", (1,))) is None
    assert daws.prompt(Message("/marker", ())) is None

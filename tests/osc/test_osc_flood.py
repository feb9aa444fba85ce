"""Nonsense and floods: the server stays up, stays small, and answers at once afterwards."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from osc_builders import Client, Setup, running
from osc_fuzz import datagrams

from rtsep.osc.orders import MOST_FLYING
from rtsep.osc.outbox import MOST as MOST_UNSENT
from rtsep.osc.packet import write, write_bundle
from rtsep.osc.schedule import MOST as MOST_HELD


def resident_bytes() -> int:
    """Memory that this process has; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


def caught_up(setup: Setup, client: Client) -> None:
    """Return when everything sent has been dealt with."""
    until = time.monotonic() + 30
    while (time.monotonic() < until) and (len(setup.server.responder.orders) or client.receive(0.05)):
        pass
    setup.wait_for_desk()


def pour(setup: Setup, client: Client, count: int, seed: int) -> None:
    """Send nonsense, no faster than the server reads, so that it reads all of it."""
    start = setup.server.counts.received
    for number, datagram in enumerate(itertools.islice(datagrams(seed), count), start=1):
        client.send_raw(datagram)
        until = time.monotonic() + 10
        while number - (setup.server.counts.received - start) > 100:
            assert time.monotonic() < until
            time.sleep(0.0005)


def test_ten_thousand_datagrams_of_nonsense_do_no_harm() -> None:
    with running() as setup, Client(setup.server.address) as client:
        pour(setup, client, 2_000, seed=1)
        caught_up(setup, client)
        before = resident_bytes()
        pour(setup, client, 8_000, seed=2)
        caught_up(setup, client)
        assert setup.server.counts.received >= 10_000
        assert setup.server.counts.malformed > 3_000
        assert resident_bytes() - before < 5_000_000
        client.send("/rtsep/gain", 1.5)
        assert client.receive_at("/rtsep/gain") == (1.5,)


def test_a_flood_of_settings_leaves_the_last_ones_and_an_echo_in_no_time() -> None:
    with running() as setup, Client(setup.server.address) as flood, Client(setup.server.address) as client:
        began = time.monotonic()
        for step in range(5_000):
            flood.send("/rtsep/gain", step % 80 - 60.0)
            flood.send_raw(b"nonsense")
        assert setup.server.counts.received > 0
        caught_up(setup, flood)
        assert time.monotonic() - began < 20
        asked = time.monotonic()
        client.send("/rtsep/wet", 0.25)
        assert client.receive_at("/rtsep/wet") == (0.25,)
        assert time.monotonic() - asked < 2
        assert len(setup.server.responder.orders) == 0


def test_bundles_from_the_future_are_held_in_a_bounded_number_and_refused_beyond() -> None:
    with running() as setup, Client(setup.server.address) as client:
        due, told = time.time() + 5, []
        for number in range(MOST_HELD + 500):
            client.send_raw(write_bundle(due, write("/rtsep/gain", 1.0)))
            if number % 100 == 99:
                told += [message for message in client.settle() if message.address == "/rtsep/error"]
        assert len(setup.server._schedule) == MOST_HELD
        assert f"{MOST_HELD} messages with time tags are held" in str(told[0])


def test_questions_without_end_are_answered_in_a_bounded_number() -> None:
    with running() as setup, Client(setup.server.address) as client:
        for _ in range(300):
            client.send("/rtsep/prompt/*/*")
        assert client.ask("/rtsep/seconds") == (12.5,)
        assert len(setup.server._out._values) <= MOST_UNSENT


def test_a_flood_of_new_words_holds_up_no_fader_and_the_last_ones_win() -> None:
    with running() as setup, Client(setup.server.address) as client:
        words = [f"new {number}" for number in range(2 * MOST_FLYING)]
        setup.host.unknown, learned = set(words), setup.host.learned
        setup.host.may_learn.clear()
        for number, text in enumerate(words):
            client.send(f"/rtsep/prompt/{number % 8 + 1}/text", text)
            client.ask("/rtsep/seconds")  # so that it was handed over before the next one came
        client.send("/rtsep/gain", 1.5)
        assert client.receive_at("/rtsep/gain") == (1.5,)
        assert not learned
        setup.host.may_learn.set()
        assert [client.ask(f"/rtsep/prompt/{number}/text") for number in range(1, 9)] == [
            (text,) for text in words[-8:]
        ]
        assert learned == [words[0], *words[-8:]]

"""``with rtsep.Engine(...)``: starts, is played by name, stops; on a device without a clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from builders import noise

import rtsep
from rtsep.audio.fake import FakeDevice
from rtsep.errors import CommandError


class DrivenDevice(FakeDevice):
    """Ticks whenever the engine asks for sound, so that no clock is needed."""

    stopped = 0

    def wait(self, timeout_s: float) -> bool:
        self.tick()
        return super().wait(0)

    def stop(self) -> None:
        self.stopped += 1
        super().stop()


@pytest.fixture
def device() -> Iterator[DrivenDevice]:
    yield DrivenDevice(noise(4_000_000), 48_000, 240)


def heard_until(engine: rtsep.Engine, hops: int) -> None:
    """Wait until so many more hops were heard."""
    goal, patience = engine.status.hops + hops, threading.Event()
    for _ in range(20_000):
        if engine.status.hops >= goal:
            return
        patience.wait(0.001)
    pytest.fail("the engine stands still")


def test_an_engine_runs_as_long_as_its_block_and_lets_go_of_the_device(device: DrivenDevice) -> None:
    with rtsep.Engine("anything", separator="passthrough", device=device) as engine:
        heard_until(engine, 20)
        assert engine.running
        late = engine.latency.engine
    assert not engine.running
    assert device.stopped == 1
    played, sent = device.played[:, 0], noise(4_000_000)[:, 0]
    assert np.array_equal(played[late : late + 2000], sent[:2000])
    engine.close()
    assert device.stopped == 1


def test_parameters_are_turned_by_their_names(device: DrivenDevice) -> None:
    with rtsep.Engine("sound", remove="noise", separator="spectral-gate", device=device) as engine:
        engine["prompt/1/gain"] = -6
        engine["prompt/1/text"] = "noise"
        assert (engine["prompt/1/gain"], engine["prompt/1/text"]) == (-6.0, "noise")
        heard_until(engine, 5)
        assert engine.status.console["prompt/1/gain"] == -6.0
        with pytest.raises(CommandError, match="spectral-gate knows"):
            engine["prompt/1/text"] = "dog barking"
        with pytest.raises(CommandError, match="no parameter 'treble'"):
            engine["treble"] = 1.0
        assert engine.running


def test_words_that_cannot_be_understood_open_nothing(device: DrivenDevice) -> None:
    with pytest.raises(CommandError, match="spectral-gate knows"):
        rtsep.Engine("dog barking", separator="spectral-gate", device=device)


def test_an_engine_that_was_never_started_lets_go_as_well(device: DrivenDevice) -> None:
    rtsep.Engine("anything", separator="passthrough", device=device).close()
    assert device.stopped == 1


def test_a_fault_within_the_block_stops_the_engine_and_is_seen(device: DrivenDevice) -> None:
    with pytest.raises(ZeroDivisionError), rtsep.Engine("x", separator="passthrough", device=device):
        raise ZeroDivisionError
    assert device.stopped == 1

"""An effect that goes wrong or is late, in its own process: it costs itself, and comes back in its place."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders import Array, noise
from effect_builders import FORM, blocks, spec

from rtsep.control import InsertSpec
from rtsep.effects.rack import Rack
from rtsep.effects.remote import MISSES, REST_S, STALLED_S, Patience, Remote

FAULTY = """
import ctypes, os, time
import numpy as np

class Effect:
    latency_samples = 48
    PARAMETERS = {"level": (0.5, 0.0, 1.0)}

    def __init__(self, sample_rate, channels):
        self.kept = np.zeros((channels, 48), np.float32)

    def process(self, block):
        joined = np.concatenate([self.kept, block], axis=1)
        self.kept = joined[:, block.shape[1]:]
        if np.abs(block).max() > 0.9:
            FAULT
        return self.level * joined[:, :block.shape[1]]
"""

FAULTS = {
    "raise ValueError('what a\\nplugin says')": "it raised ValueError: what a plugin says",
    "return np.full_like(block, np.nan)": "it returned samples that are no numbers, or beyond all sound",
    "return block[:, :100]": "it returned shape (2, 100) instead of (2, 480)",
    "return None": "it returned NoneType instead of an array",
    "os.abort()": "it crashed (signal SIGABRT)",
    "ctypes.string_at(0)": "it crashed (signal SIGSEGV)",
    "os._exit(0)": "it crashed",
}


def faulty(folder: Path, fault: str) -> InsertSpec:
    path = folder / "faulty.py"
    path.write_text(FAULTY.replace("FAULT", fault))
    return InsertSpec(str(path))


def marked() -> Array:
    """Two tenths of a second of sound, after half of which a plugin is told to go wrong."""
    x = noise(9600, 2, level=0.1)
    x[4800 + 7] = 0.95
    return x


def assert_bypassed_from_the_marked_block_on(x: Array, y: Array) -> None:
    untouched = np.concatenate([np.zeros((48, 2), np.float32), x])[: len(x)]
    assert np.abs(y[:4800] - untouched[:4800] / 2).max() <= 1e-6
    assert np.abs(y[5280:] - untouched[5280:]).max() <= 1e-6
    step = np.abs(y[4800] - y[4799] - (untouched[4800] - untouched[4799])).max()
    assert step <= 0.01, "it glides from where the effect was heard last"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_effect_that_goes_wrong_is_bypassed_from_that_block_on_and_named(
    tmp_path: Path, fault: str
) -> None:
    x = marked()
    with Rack([faulty(tmp_path, fault), spec("Gain:gain_db=0")], FORM, live=False) as rack:
        y = blocks(rack, x)
        assert rack.faults == (f"insert 1 (faulty on the sum) is bypassed: {FAULTS[fault]}", "")
    assert_bypassed_from_the_marked_block_on(x, y)


def test_an_effect_may_take_its_time_before_there_is_anything_to_miss(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(FAULTY.replace("block):", "block):\n        time.sleep(0.05)").replace("FAULT", "pass"))
    with Rack([InsertSpec(str(slow))], FORM) as rack:
        assert rack.faults == ("",)


def test_an_effect_that_sleeps_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, now_s = marked(), [1000.0]
    monkeypatch.setattr("rtsep.effects.remote.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with Rack([faulty(tmp_path, "time.sleep(1000)")], FORM, live=False) as rack:
        before = blocks(rack, x[:4800])
        rack._patience.span_s = 0.005
        y = np.concatenate([before, blocks(rack, x[4800:5280])])
        assert rack.faults[0].startswith("insert 1 (faulty on the sum) is bypassed until it answers: ")
        y = np.concatenate([y, blocks(rack, x[5280:])])
        late = noise(round(STALLED_S * 48_000), 2)
        blocks(rack, late)  # as after a late step: so much sound in no time
        assert rack.faults[0].startswith("insert 1 (faulty on the sum) is bypassed until it answers: ")
        now_s[0] += 1.01 * STALLED_S
        blocks(rack, late[:480])
        assert rack.faults == ("insert 1 (faulty on the sum) is bypassed: it has not answered for 250 ms",)
        (slot,) = rack.slots
        assert isinstance(slot._effect, Remote)
        slot._effect._process.join(20)
        assert slot._effect._process.exitcode is not None
    assert_bypassed_from_the_marked_block_on(x, y)


def test_what_else_a_hop_takes_does_not_count_as_waiting_for_effects() -> None:
    here, there = Pipe()
    patience = Patience(0.2, least_s=0.001)
    patience.begin()
    time.sleep(0.25)  # the model
    assert patience.left_s == 0.2
    assert not patience.wait(here)
    assert patience.left_s == 0.001
    there.send(1)
    assert patience.wait(here)


def test_an_effect_that_was_late_comes_back_and_one_that_often_is_rests_first(tmp_path: Path) -> None:
    x = marked()
    wait = "[time.sleep(0.001) for _ in iter(lambda: os.path.exists('" + str(tmp_path / "go") + "'), True)]"
    with Rack([faulty(tmp_path, wait)], FORM, live=False) as rack:
        (slot,) = rack.slots
        assert isinstance(slot._effect, Remote)
        for miss in range(1, MISSES):
            rack._patience.span_s = 0.005
            blocks(rack, x[4800:5280])
            assert rack.faults[0].endswith("is bypassed until it answers: it has not answered in time"), miss
            (tmp_path / "go").touch()
            assert slot._effect._sound.poll(20)
            rack._patience.span_s = 60
            y = blocks(rack, x[:4800])
            assert rack.faults == ("",)
            assert np.abs(y[960:] - x[960 - 48 : 4800 - 48] / 2).max() <= 1e-6
            (tmp_path / "go").unlink()
        rack._patience.span_s = 0.005
        blocks(rack, x[4800:5280])
        too_slow = f"is bypassed until it answers: too slow {MISSES} times in 10 s, it is left alone for 10 s"
        assert rack.faults[0].endswith(too_slow)
        (tmp_path / "go").touch()
        assert slot._effect._sound.poll(20)
        rack._patience.span_s = 60
        blocks(rack, noise(round(REST_S * 48_000), 2))
        assert rack.faults[0].endswith(too_slow)
        y = blocks(rack, x[:4800])
        assert rack.faults == ("",)
        assert np.abs(y[960:] - x[960 - 48 : 4800 - 48] / 2).max() <= 1e-6


def test_a_reserve_lets_an_effect_answer_later_and_is_part_of_its_latency(tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"[time.sleep(0.001) for _ in iter(lambda: os.path.exists({str(go)!r}), True)]"
    x = marked()
    with Rack([faulty(tmp_path, wait)], FORM, reserve_ms=10) as rack:
        assert rack.latency_samples == 480 + 48
        (slot,) = rack.slots
        assert isinstance(slot._effect, Remote)
        rack._patience.span_s = 60
        before = blocks(rack, x[:4800])
        rack._patience.span_s = 0.005
        while_it_waits = blocks(rack, x[4800:5280])  # what it is asked for now is wanted a block later
        assert rack.faults == ("",)
        go.touch()
        assert slot._effect._sound.poll(20)
        rack._patience.span_s = 60
        y = np.concatenate([before, while_it_waits, blocks(rack, x[5280:])])
        assert rack.faults == ("",)
    assert np.abs(y[528:] - x[:-528] / 2).max() <= 1e-6
    assert not y[:528].any()


def test_an_effect_that_is_switched_on_again_is_no_fault_while_its_first_answer_is_not_due(
    tmp_path: Path,
) -> None:
    x = noise(9600, 2, level=0.1)
    with Rack([faulty(tmp_path, "pass")], FORM, reserve_ms=15) as rack:
        rack._patience.span_s = 60
        blocks(rack, x)
        (insert,) = rack.inserts
        rack.turn([insert.turned("enable", False)])
        blocks(rack, x[:960])
        rack.turn([insert])
        faults, y = [], []
        for at in range(0, len(x), 480):
            y.append(blocks(rack, x[at : at + 480]))
            faults += rack.faults
        assert not any(faults)
    heard, late = np.concatenate(y), 720 + 48
    assert np.abs(heard[late:960] - x[: 960 - late]).max() <= 1e-6  # untouched, until there is something
    assert np.abs(heard[2400:] - x[2400 - late : -late] / 2).max() <= 1e-6


def test_beyond_its_reserve_an_effect_is_bypassed_and_comes_back_in_its_place(tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"[time.sleep(0.001) for _ in iter(lambda: os.path.exists({str(go)!r}), True)]"
    x = noise(2_000_000, 2, level=0.1)
    x[4800 + 7] = 0.95
    with Rack([faulty(tmp_path, wait)], FORM, reserve_ms=15) as rack:
        (slot,) = rack.slots
        assert isinstance(slot._effect, Remote)
        rack._patience.span_s = 60
        y = [blocks(rack, x[:4800])]
        rack._patience.span_s = 0.005
        y.append(blocks(rack, x[4800:6720]))
        assert rack.faults[0].endswith("is bypassed until it answers: it has not answered in time")
        go.touch()
        assert slot._effect._sound.poll(20)
        rack._patience.span_s = 60
        at = 6720
        while rack.faults != ("",):  # what it was asked before it hung is answered first, at its own pace
            time.sleep(0.005)
            y.append(blocks(rack, x[at : (at := at + FORM.block)]))
        y.append(blocks(rack, x[at : (at := at + 4800)]))
        assert rack.faults == ("",)
    late = 720 + 48
    joined, untouched = np.concatenate(y), np.concatenate([np.zeros((late, 2), np.float32), x])[:at]
    share = np.abs(joined).sum(axis=1) / np.maximum(np.abs(untouched).sum(axis=1), 1e-9)
    assert np.allclose(share[late : 4800 + 480], 0.5, atol=1e-3)  # of its last answers before it hung
    assert np.allclose(share[6240:6720], 1.0, atol=1e-3)  # bypassed
    assert np.allclose(share[-960:], 0.5, atol=1e-3)  # and back
    assert np.abs(joined[-960:] - untouched[-960:] / 2).max() <= 1e-6


def test_a_reserve_is_for_those_who_listen_not_for_files(tmp_path: Path) -> None:
    with Rack([faulty(tmp_path, "pass"), spec("Gain")], FORM, live=False, reserve_ms=10) as rack:
        assert rack.latency_samples == 48
    with Rack([spec("Gain")], FORM, reserve_ms=10) as rack:
        assert rack.latency_samples == 0  # it needs no process, and answers at once


def within(seconds: float, do: Callable[[], object]) -> None:
    """Do something that must never block for good."""
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive()


def test_an_effect_with_a_large_reserve_that_hangs_does_not_hold_up_the_sound(tmp_path: Path) -> None:
    x = np.concatenate([marked(), noise(2 * 48_000, 2, level=0.1)])
    with Rack([faulty(tmp_path, "time.sleep(1000)")], FORM, reserve_ms=1000) as rack:
        rack._patience.span_s = 0.005
        within(30, lambda: blocks(rack, x))
        assert rack.faults[0].startswith("insert 1 (faulty on the sum) is bypassed")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no process")
def test_an_effect_that_takes_no_knobs_does_not_hold_up_the_sound_and_gets_the_newest(tmp_path: Path) -> None:
    with Rack([faulty(tmp_path, "pass")], FORM, live=False) as rack:
        (slot,) = rack.slots
        assert isinstance(slot._effect, Remote)
        process = slot._effect._process.pid
        assert process is not None
        os.kill(process, signal.SIGSTOP)
        try:
            within(30, lambda: [slot._effect.turn("level", number / 20_000) for number in range(20_001)])
        finally:
            os.kill(process, signal.SIGCONT)
        x, deadline = noise(480, 2), time.monotonic() + 20
        while np.abs(blocks(rack, x)[48:] - x[:-48]).max() > 1e-6:  # level 1
            assert time.monotonic() < deadline

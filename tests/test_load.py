"""Load control: what is too slow is said before it is heard, and what is allowed is done without."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import Array, noise
from torch import Tensor

from rtsep.audio.fake import FakeDevice
from rtsep.control import Console
from rtsep.engine import Engine
from rtsep.load import CHUNK_HOPS, EASY_WINDOWS, WINDOW_S, Cut, Load
from rtsep.models.bundle import WEIGHTS, lighter_bundle
from rtsep.separators.conditions import Conditions
from rtsep.separators.passthrough import Passthrough
from rtsep.separators.protocol import Mix, Separation, SeparatorState

RATE, BLOCK = 48_000, 960
THREE = Console.of(["dog", "cat", "rain"])


class Machine(Passthrough):
    """A separator on a machine of known speed: its clock goes on only while the model runs."""

    hop = 480

    def __init__(self, call_ms: float, strip_ms: float) -> None:
        super().__init__(torch.device("cpu"))
        self.call_ms, self.strip_ms = call_ms, strip_ms
        self.now = 0.0
        self.prompts = 0

    def clock(self) -> float:
        return self.now

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        self.prompts = condition.shape[1]
        hops = mixture.shape[-1] // self.hop
        self.now += (self.call_ms + hops * self.strip_ms * self.prompts) / 1000
        return super().step(mixture, condition, state, mix)


def engine_on(
    console: Console,
    x: Array,
    *,
    degrade: bool,
    call_ms: float = 0.0,
    strip_ms: float = 0.0,
    rate: int = RATE,
) -> tuple[Engine, Machine, FakeDevice]:
    machine, device = Machine(call_ms, strip_ms), FakeDevice(x, rate, BLOCK)
    load = Load(degrade, clock=machine.clock)
    return Engine(machine, Conditions(machine), device, console, load=load), machine, device


def play(engine: Engine, device: FakeDevice, seconds: float) -> None:
    for _ in range(round(seconds * RATE / BLOCK)):
        device.tick()
        engine.step()


def until_ready(engine: Engine, device: FakeDevice) -> None:
    """Play on until the larger chunks have been built."""
    deadline = time.monotonic() + 30
    while engine.status.fault:
        assert time.monotonic() < deadline
        play(engine, device, BLOCK / RATE)
        time.sleep(0.01)


def test_a_machine_with_room_says_nothing() -> None:
    engine, _, device = engine_on(THREE, noise(RATE), degrade=True, strip_ms=2.6)
    engine.open()
    play(engine, device, WINDOW_S + 0.1)
    assert engine.status.overload == ""
    assert engine.status.load == pytest.approx(0.78, abs=0.1)


def test_too_slow_a_machine_is_told_of_before_the_device_starts_and_nothing_is_changed() -> None:
    engine, machine, device = engine_on(THREE, noise(RATE), degrade=False, strip_ms=4.5)
    engine.open()
    assert engine.status.overload == (
        "the machine is too slow for this: 135 % of real time in a short benchmark, 80 % would leave room; "
        "try fewer strips than 3 or --degrade"
    )
    assert device.played.size == 0
    play(engine, device, WINDOW_S + 0.1)
    assert "135 % of real time just now" in engine.status.overload
    machine.strip_ms = 1.0
    play(engine, device, WINDOW_S)
    assert engine.status.overload == ""
    assert machine.prompts == 3


def test_what_would_just_do_is_advised_a_larger_reserve() -> None:
    engine, _, _ = engine_on(Console.of(["dog"]), noise(RATE), degrade=False, call_ms=9)
    engine.open()
    assert engine.status.overload.endswith("try --reserve-ms 24 or --degrade")


def test_strips_that_are_too_many_are_left_out_from_the_start_and_named() -> None:
    engine, machine, device = engine_on(THREE, noise(RATE), degrade=True, strip_ms=3.5)
    latency = engine.latency
    engine.open()
    play(engine, device, 0.5)
    assert machine.prompts == 2
    assert engine.status.overload.endswith("; left out: rain")
    assert engine.status.console == THREE
    assert engine.latency == latency
    assert device.dropouts == 0
    engine.apply(Console.of(["car", "speech", "bird", "wind"]))
    play(engine, device, 0.5)
    assert machine.prompts == 3
    assert engine.status.overload.endswith("; left out: wind")


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_with_one_strip_chunks_become_larger_and_the_latency_that_is_told_is_kept(rate: int) -> None:
    x = noise(RATE)
    engine, _, device = engine_on(Console.of(["dog"]), x, degrade=True, call_ms=12, rate=rate)
    before = engine.latency
    engine.open()
    assert engine.status.overload.endswith(f"; {CHUNK_HOPS} hops at a time, with more latency")
    play(engine, device, 1)
    latency = engine.latency
    assert latency.hop == CHUNK_HOPS * before.hop
    assert engine.status.latency_ms == pytest.approx(latency.ms(latency.total))
    assert device.dropouts == 0
    played = device.played[latency.engine :]
    assert np.abs(played - x[: len(played)]).max() <= 1e-4
    assert not device.played[: latency.engine].any()


def test_measured_late_it_does_without_one_thing_after_the_other_and_keeps_every_promise() -> None:
    x = noise(30 * RATE)
    engine, machine, device = engine_on(THREE, x, degrade=True, strip_ms=1)
    first = engine.latency.engine
    engine.open()
    machine.call_ms = 12
    seen = []
    play(engine, device, 0.1)  # what is judged lags by a hop
    for _ in range(2):
        play(engine, device, WINDOW_S)
        seen.append(engine.status.overload.partition("left out: ")[2])
    assert seen == ["rain", "cat, rain"]
    assert machine.prompts == 1
    assert np.abs(device.played[first:] - x[: len(device.played) - first]).max() <= 1e-4
    play(engine, device, WINDOW_S)
    until_ready(engine, device)
    latency = engine.latency.engine
    assert latency > first
    assert engine.status.latency_ms == pytest.approx(1000 * latency / RATE)
    assert engine.status.overload.endswith("cat, rain; 8 hops at a time, with more latency")
    play(engine, device, 2 * WINDOW_S)
    played = device.played
    error = np.abs(played[latency:] - x[: len(played) - latency])
    wrong_until = latency + int(np.flatnonzero(error > 1e-4)[-1]) + 1
    before = np.abs(played[first:wrong_until] - x[: wrong_until - first])
    silent = latency - first  # between the two promises
    assert before[: -silent - 1].max() <= 1e-4
    assert not played[wrong_until - silent : wrong_until].any()
    assert device.lost_samples == silent
    assert machine.prompts == 1


def judged(load: Load, share: float, windows: int, start_s: float) -> float:
    """Have so many windows of a load judged; returns when they end."""
    for number in range(1, windows + 1):
        end_s = start_s + number * WINDOW_S
        load.begin(end_s - WINDOW_S, 0.0)
        load.watch(end_s, share * WINDOW_S, THREE)
    return end_s


def test_a_strip_comes_back_after_a_while_with_little_to_do_the_next_time_later() -> None:
    load, now = Load(True), 0.0
    for windows in (EASY_WINDOWS, 2 * EASY_WINDOWS, 4 * EASY_WINDOWS):
        now = judged(load, 1.2, 1, now)
        assert load.cut == Cut(1)
        now = judged(load, 0.5, windows - 1, now)
        now = judged(load, 0.7, 1, now)  # which is not little
        now = judged(load, 0.5, windows - 1, now)
        assert load.cut == Cut(1)
        assert load.said(THREE, 0, 12).endswith("left out: rain")
        now = judged(load, 0.5, 1, now)
        assert load.cut == Cut()
        assert load.said(THREE, 0, 12) == ""


def test_the_strip_used_first_always_stays() -> None:
    console = THREE.turned("prompt/1/enable", False)
    cut = Cut(left_out=5)
    assert cut.missing(console) == (2,)
    assert [strip.enable for strip in cut.thinned(console).strips[:3]] == [False, True, False]
    assert cut.thinned(Console()) == Console()
    assert Cut().thinned(THREE) == THREE
    assert Cut(2).further(THREE) == Cut(2, CHUNK_HOPS) == Cut(2, CHUNK_HOPS).further(THREE)


def test_a_lighter_bundle_is_suggested_only_if_it_is_half_as_heavy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: tmp_path / name for name in ("large", "small", "broken")}
    for name, size in {"large": 100, "small": 50}.items():
        folders[name].mkdir()
        (folders[name] / WEIGHTS).write_bytes(bytes(size))
    monkeypatch.setattr("rtsep.models.bundle.bundle_folders", lambda: folders)
    assert lighter_bundle("large") == "small"
    assert lighter_bundle("small") is None
    assert lighter_bundle("elsewhere") is None
    (folders["small"] / WEIGHTS).write_bytes(bytes(51))
    assert lighter_bundle("large") is None

"""The sound card of a run opens beside what else loads, and whoever does not take it lets go of it."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest

import rtsep.live.card
from rtsep.audio.fake import FakeDevice
from rtsep.config import RunSettings
from rtsep.control import Console
from rtsep.errors import DeviceError
from rtsep.live.card import SoundCard

PATIENCE_S = 60.0
CONSOLE = Console.of(["speech"])


class Counted(FakeDevice):
    """A device that says how often it was stopped."""

    def __init__(self) -> None:
        super().__init__(np.zeros((480, 1), np.float32), 48_000, 480)
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1
        super().stop()


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Counted:
    device = Counted()
    monkeypatch.setattr(rtsep.live.card, "find_devices", lambda *texts: (None, None))
    monkeypatch.setattr(rtsep.live.card, "open_device", lambda *ends, **how: device)
    return device


def test_it_opens_before_anybody_asks_for_it(device: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def opened(*ends: object, **how: object) -> Counted:
        begun.set()
        return device

    monkeypatch.setattr(rtsep.live.card, "open_device", opened)
    with closing(SoundCard(RunSettings(), CONSOLE)) as card:
        assert begun.wait(PATIENCE_S)
        assert card.taken() is device


def test_who_has_taken_it_owns_it(device: Counted) -> None:
    with closing(SoundCard(RunSettings(), CONSOLE)) as card:
        card.taken()
    assert device.stops == 0


def test_one_that_nobody_has_taken_is_let_go_of_once(device: Counted) -> None:
    card = SoundCard(RunSettings(), CONSOLE)
    card.close()
    card.close()
    assert device.stops == 1


def test_one_that_is_not_there_is_missed_by_whoever_takes_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*texts: str | None) -> None:
        raise DeviceError("no input device")

    monkeypatch.setattr(rtsep.live.card, "find_devices", nothing)
    SoundCard(RunSettings(), CONSOLE).close()
    with pytest.raises(DeviceError, match="no input device"):
        SoundCard(RunSettings(), CONSOLE).taken()


def test_stems_need_an_output_each_and_one_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def opened(*ends: object, channels_in: int, channels_out: int, **how: object) -> Counted:
        asked.append((channels_in, channels_out))
        return Counted()

    monkeypatch.setattr(rtsep.live.card, "find_devices", lambda *texts: (None, None))
    monkeypatch.setattr(rtsep.live.card, "open_device", opened)
    SoundCard(RunSettings(stems=True, channels=2), Console.of(["speech", "music"])).taken()
    assert asked == [(2, 6)]

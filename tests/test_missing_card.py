"""The process of a sound card looks again for a card that was there a moment ago."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rtsep.audio import card
from rtsep.audio.callback_memory import Layout, SharedBytes, size
from rtsep.audio.portaudio import MissingDeviceError
from rtsep.errors import DeviceError

Hold = Callable[[Iterator[Exception]], None]
LAYOUT = Layout(1, 2, 4096, 4096)
MISSED_S = 0.3


class Opened(Exception):  # noqa: N818 - it ends a test, which is no error
    """The card is there."""


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Holds a card whose openings end as told, one after the other."""
    monkeypatch.setattr(card, "_watch", threading.Event.is_set)
    monkeypatch.setattr(card, "terminate", lambda: None)
    monkeypatch.setattr(card, "_RETRY_S", 0.01)
    monkeypatch.setattr(card, "_MISSED_S", MISSED_S)
    shared = SharedBytes(size(LAYOUT))
    order = {"layout": LAYOUT.as_dict(), "memory": shared.name, "patient": False}

    def holding(endings: Iterator[Exception]) -> None:
        def opening(*_: object) -> Any:
            raise next(endings)

        monkeypatch.setattr(card, "_open", opening)
        card._hold(order, print)

    yield holding
    shared.close()


def test_one_that_is_missing_at_first_is_opened(hold: Hold) -> None:
    gone = MissingDeviceError("no input device 'system'")
    with pytest.raises(Opened):
        hold(iter([gone, gone, Opened()]))


def test_one_that_stays_away_is_reported(hold: Hold) -> None:
    with pytest.raises(MissingDeviceError, match="system"):
        hold(itertools.repeat(MissingDeviceError("no input device 'system'")))


def test_what_a_card_refuses_is_not_asked_again(hold: Hold) -> None:
    with pytest.raises(DeviceError, match="3 channels"):
        hold(iter([DeviceError("3 channels"), Opened()]))

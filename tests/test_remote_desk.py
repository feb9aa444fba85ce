"""The desk of another process: what gathers on its way there, and that one mistake stays one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from osc_builders import STATUS

from rtsep.control import Command, Console, Record, SetParameter, SetParameters
from rtsep.presets import Presets
from rtsep.remote.desk import RemoteDesk
from rtsep.remote.messages import Facts, Request
from rtsep.remote.wire import Wire


class Ends:
    """A remote desk, and the end of the wire that the engine's process holds."""

    def __init__(self, folder: Path) -> None:
        (requests, ask), (updates, tell) = os.pipe(), os.pipe()
        self._own = Wire(os.fdopen(updates, "rb"), os.fdopen(ask, "wb"))
        self.other = Wire(os.fdopen(requests, "rb"), os.fdopen(tell, "wb"))
        self.desk = RemoteDesk(self._own, Facts(Console.of(["rain"]), "", ""), STATUS, Presets(folder))

    def sent(self, *given: Command) -> list[Command]:
        """What the other end gets of commands that come together."""
        for command in given:
            self.desk.submit(command)
        self.desk.courier.carry()
        request = self.other.receive()
        assert isinstance(request, Request)
        return [command for _, command in request.commands]

    def close(self) -> None:
        """Both ends."""
        self._own.close()
        self.other.close()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with closing(Ends(tmp_path)) as found:
        yield found


WET, GAIN, MUTE = SetParameter("wet", 0.5), SetParameter("gain", -3.0), SetParameter("prompt/1/mute", True)


def test_settings_that_follow_each_other_travel_as_one_and_the_newest_counts(ends: Ends) -> None:
    newer = SetParameter("gain", -6.0)
    assert ends.sent(WET, GAIN, MUTE, newer) == [
        SetParameters((("wet", 0.5), ("gain", -6.0), ("prompt/1/mute", True)))
    ]
    assert ends.sent(WET) == [WET]


def test_words_and_other_orders_travel_alone_and_in_their_place(ends: Ends) -> None:
    text, record = SetParameter("prompt/1/text", "wind"), Record(True)
    assert ends.sent(WET, GAIN, text, MUTE, record, record) == [
        SetParameters((("wet", 0.5), ("gain", -3.0))),
        text,
        MUTE,
        record,
        record,
    ]


@pytest.mark.parametrize(
    "wrong", [SetParameter("gain", "loud"), SetParameter("no/such/name", 1.0)], ids=["value", "name"]
)
def test_a_setting_that_will_be_refused_takes_no_other_with_it(ends: Ends, wrong: SetParameter) -> None:
    assert ends.sent(WET, wrong, GAIN, MUTE) == [
        WET,
        wrong,
        SetParameters((("gain", -3.0), ("prompt/1/mute", True))),
    ]

"""MIDI: what a controller sends becomes commands; one real port is driven through a JACK server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import jack_server
import pytest
from osc_builders import Client, running

from rtsep.control import Bind, Bindings, Command, Console, SetParameter
from rtsep.errors import CommandError, DeviceError
from rtsep.midi import ports
from rtsep.midi.ports import Port, find_port
from rtsep.midi.surface import MidiSurface, position_of

mido = pytest.importorskip("mido") if not os.environ.get("CI") else __import__("mido")


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (mido.Message("control_change", channel=0, control=7, value=127), ("midi/1/cc/7", 1.0)),
        (mido.Message("control_change", channel=15, control=0, value=0), ("midi/16/cc/0", 0.0)),
        (mido.Message("note_on", channel=9, note=36, velocity=127), ("midi/10/note/36", 1.0)),
        (mido.Message("note_on", channel=9, note=36, velocity=0), ("midi/10/note/36", 0.0)),
        (mido.Message("note_off", channel=9, note=36, velocity=64), ("midi/10/note/36", 0.0)),
        (mido.Message("pitchwheel", channel=2, pitch=-8192), ("midi/3/pitchbend", 0.0)),
        (mido.Message("pitchwheel", channel=2, pitch=8191), ("midi/3/pitchbend", 1.0)),
        (mido.Message("program_change", program=3), None),
        (mido.Message("clock"), None),
        (mido.Message("sysex", data=(1, 2, 3)), None),
    ],
)
def test_messages_become_positions_of_controls(message: object, found: tuple[str, float] | None) -> None:
    assert position_of(message) == found


class SlowDesk:
    """Holds every command until it is let."""

    def __init__(self, console: Console) -> None:
        self.console, self.learning = console, ""
        self.given: list[tuple[Command, Future[None]]] = []

    def submit(self, command: Command) -> Future[None]:
        self.given.append((command, Future()))
        return self.given[-1][1]

    def commands(self) -> list[Command]:
        return [command for command, _ in self.given]


def knob(value: int, control: int = 7) -> object:
    return mido.Message("control_change", control=control, value=value)


@pytest.fixture
def desk() -> SlowDesk:
    return SlowDesk(Console(learnt=Bindings.of({"midi/1/cc/7": "wet", "midi/1/cc/8": "gain"})))


def test_of_a_wheels_positions_only_the_newest_waits(desk: SlowDesk) -> None:
    surface = MidiSurface(desk, print)
    for value in range(100):
        surface.hear(knob(value))
        surface.hear(knob(value, control=8))
    assert desk.commands() == [SetParameter("wet", 0.0), SetParameter("gain", -60.0)]
    desk.given[0][1].set_result(None)
    assert desk.commands()[2:] == [SetParameter("wet", 99 / 127)]
    desk.given[2][1].set_result(None)
    assert len(desk.given) == 3
    surface.hear(knob(127))
    assert desk.commands()[3:] == [SetParameter("wet", 1.0)]


def test_the_control_that_moves_while_one_is_waited_for_is_bound_and_turns_nothing(desk: SlowDesk) -> None:
    surface = MidiSurface(desk, print)
    desk.learning = "gain"
    surface.hear(knob(0))  # the button that was pressed before is let go
    surface.hear(mido.Message("program_change", program=3))
    surface.hear(mido.Message("note_on", note=60, velocity=80))
    assert desk.commands() == [Bind("midi/1/note/60")]


def test_a_wheel_flips_a_switch_each_time_it_is_bent_up_and_springs_back() -> None:
    desk = SlowDesk(Console(learnt=Bindings.of({"midi/1/pitchbend": "bypass"})))
    surface = MidiSurface(desk, print)
    for pitch in (40, 8191, 5000, -30, 0, 8191, 0):  # hardly any rests at the very same place again
        surface.hear(mido.Message("pitchwheel", pitch=pitch))
        for command, answer in desk.given:
            if not answer.done():
                assert isinstance(command, SetParameter)
                desk.console = desk.console.turned(command.name, command.value)
                answer.set_result(None)
    assert desk.commands() == [SetParameter("bypass", True), SetParameter("bypass", False)]


def test_what_the_desk_refuses_is_told_and_the_next_is_obeyed(desk: SlowDesk) -> None:
    told: list[str] = []
    surface = MidiSurface(desk, told.append)
    surface.hear(knob(64))
    desk.given[0][1].set_exception(CommandError("not now"))
    assert told == ["not now"]
    surface.hear(knob(65))
    assert len(desk.given) == 2


def test_a_controller_that_goes_on_when_the_desk_is_closed_does_no_harm(
    desk: SlowDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(command: Command) -> Future[None]:
        raise RuntimeError("cannot schedule new futures after shutdown")

    monkeypatch.setattr(desk, "submit", closed)
    MidiSurface(desk, print).hear(knob(64))


def test_what_is_not_bound_does_nothing(desk: SlowDesk) -> None:
    surface = MidiSurface(desk, print)
    desk.console = replace(desk.console, learnt=Bindings())
    surface.hear(knob(64))
    assert not desk.given


def test_a_knob_is_learnt_and_turned_beside_osc_and_subscribers_see_it() -> None:
    with running() as setup, Client(setup.server.address) as client:
        surface = MidiSurface(setup.desk, setup.server.tell)
        client.send("/rtsep/subscribe")
        client.settle()
        client.send("/rtsep/learn", "prompt/3/gain")
        assert client.receive_at("/rtsep/learning") == ("prompt/3/gain",)
        surface.hear(knob(1))
        assert client.receive_at("/rtsep/learn") == ("midi/1/cc/7", "prompt/3/gain")
        surface.hear(knob(127))
        assert client.receive_at("/rtsep/prompt/3/gain") == (24.0,)
        client.send("/rtsep/learn", "prompt/1/text")
        assert client.receive_at("/rtsep/learning") == ("prompt/1/text",)
        surface.hear(knob(64))
        assert "prompt/1/text takes words" in str(client.receive_at("/rtsep/error"))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    there = [Port("Pads:Pads MIDI 1 20:0", "LINUX_ALSA"), Port("Keys:Keys MIDI 1 24:0", "LINUX_ALSA")]
    monkeypatch.setattr(ports, "list_ports", lambda: there)
    yield


def test_a_port_is_found_by_a_part_of_its_name(listed: None) -> None:
    assert find_port("keys").name == find_port("Keys:Keys MIDI 1 24:0").name == "Keys:Keys MIDI 1 24:0"


@pytest.mark.parametrize(("text", "said"), [("midi", "fits several"), ("drums", "no MIDI port 'drums'")])
def test_a_port_that_is_not_the_only_one_is_told_with_those_there_are(
    listed: None, text: str, said: str
) -> None:
    with pytest.raises(DeviceError, match=rf"{said}.*Pads:Pads MIDI 1 20:0; Keys:Keys MIDI 1 24:0"):
        find_port(text)


REAL = """
import sys, threading
sys.path[:0] = {paths!r}
import mido
from osc_builders import Client, running
from rtsep.midi.ports import find_port, list_ports, listening
from rtsep.midi.surface import MidiSurface

controller = mido.Backend("mido.backends.rtmidi/UNIX_JACK").open_output("knobs", client_name="controller")
assert "controller:knobs" in [port.name for port in list_ports()]

def until(done, value):
    for _ in range(1000):  # JACK connects in its own time
        controller.send(mido.Message("control_change", channel=1, control=10, value=value))
        if done.wait(0.02):
            return
    raise AssertionError("nothing came")

with running() as setup, Client(setup.server.address) as client:
    surface, heard, threads = MidiSurface(setup.desk, print), threading.Event(), set()
    def hear(message):
        threads.add(threading.current_thread())
        surface.hear(message)
        heard.set()
    with listening(find_port("knobs"), hear):
        until(heard, 1)
        client.send("/rtsep/learn", "gain")
        assert client.receive_at("/rtsep/learning") == ("gain",)
        controller.send(mido.Message("control_change", channel=1, control=10, value=64))
        while client.ask("/rtsep/learn") != ("midi/2/cc/10", "gain"):
            pass
        controller.send(mido.Message("control_change", channel=1, control=10, value=127))
        while client.ask("/rtsep/gain") != (24.0,):
            pass
    assert threading.current_thread() not in threads
controller.close()
print("turned")
"""


def test_a_real_port_is_listed_opened_learnt_and_turns_the_knob(jack_environment: dict[str, str]) -> None:
    if sys.version_info >= (3, 13):
        pytest.importorskip("rtmidi", reason="has to be compiled for this Python")
    here = Path(__file__).parent
    program = REAL.format(paths=[str(here), str(here.parent / "benchmarks")])
    assert "turned" in jack_server.run(program, jack_environment)


def test_a_missing_package_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(Exception, match=r"MIDI needs mido and python-rtmidi .*pip install 'rtsep\[midi\]'"):
        find_port("keys")

"""The OSC server in a process of its own: what a server in this one does, and that it may die."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from osc_builders import PATIENCE_S, STATUS, Client, RecordingHost

from rtsep.control import Console, Record, SetParameter
from rtsep.desk import Desk
from rtsep.errors import ConfigError, EngineError
from rtsep.osc.process import OscProcess
from rtsep.presets import Presets


class Room:
    """A desk with a server before it, and who listens to both."""

    def __init__(self, folder: Path) -> None:
        self.host, self.status = RecordingHost(), STATUS
        self.host.may_learn.set()
        self.said: list[str] = []
        self.desk = Desk(self.host, Console.of(["rain"]), Presets(folder))
        self.looks = 0

    def spectra(self) -> dict[str, bytes]:
        """Two of them, counted."""
        self.looks += 1
        return {"in": bytes([1, 2, 3]), "out": bytes([4, 5, 6])}

    def server(self, ports: range = range(1), host: str = "127.0.0.1") -> OscProcess:
        """In a process of its own."""
        return OscProcess().listen(
            self.desk,
            lambda: self.status,
            self.desk.presets.own,
            host=host,
            ports=ports,
            spectra=self.spectra,
            say=self.said.append,
        )


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    with closing(found.desk):
        yield found


@pytest.fixture
def server(room: Room) -> Iterator[OscProcess]:
    with room.server() as found:
        yield found


@pytest.fixture
def client(server: OscProcess) -> Iterator[Client]:
    with Client(server.address) as found:
        yield found


def until(condition: object) -> None:
    """Wait for what must come."""
    assert callable(condition)
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_setting_reaches_the_desk_and_is_echoed(room: Room, client: Client) -> None:
    client.send("/rtsep/wet", 0.25)
    assert client.receive_at("/rtsep/wet") == (0.25,)
    assert room.desk.console.wet == 0.25
    assert room.host.consoles[-1].wet == 0.25


def test_settings_from_elsewhere_are_told_to_subscribers(room: Room, client: Client) -> None:
    client.send("/rtsep/subscribe")
    client.receive_at("/rtsep/latency/engine")  # the last of what is pushed at once
    room.desk.submit(SetParameter("gain", -7.0)).result(PATIENCE_S)
    assert client.receive_at("/rtsep/gain") == (-7.0,)


def test_words_that_are_refused_come_back_to_their_sender(room: Room, client: Client) -> None:
    room.host.unknown = {"gibberish"}
    client.send("/rtsep/prompt/1/text", "gibberish")
    assert client.receive_at("/rtsep/error") == ("gibberish: the encoder knows no such words",)
    assert client.ask("/rtsep/prompt/1/text") == ("rain",)


def test_what_is_no_setting_is_obeyed(room: Room, client: Client) -> None:
    client.send("/rtsep/record", 1)
    assert client.receive_at("/rtsep/record") == (1,)
    assert room.host.obeyed == [Record(True)]


def test_a_preset_saved_there_is_found_here(room: Room, client: Client) -> None:
    client.send("/rtsep/preset/save", "mine")
    until(lambda: "mine" in room.desk.presets.names())
    assert client.ask("/rtsep/preset") == ("mine",)


def test_the_status_follows(room: Room, client: Client) -> None:
    assert client.ask("/rtsep/dropouts") == (3,)
    room.status = STATUS.__class__(dropouts=4)
    until(lambda: client.ask("/rtsep/dropouts") == (4,))


def test_spectra_are_made_only_for_those_who_look(room: Room, client: Client) -> None:
    client.ask("/rtsep/wet")
    assert room.looks == 0
    client.send("/rtsep/subscribe/spectrum", 30.0)
    assert client.receive_at("/rtsep/spectrum/out") == (bytes([4, 5, 6]),)


def test_errors_from_elsewhere_are_told(server: OscProcess, client: Client) -> None:
    client.send("/rtsep/subscribe")
    client.receive_at("/rtsep/latency/engine")
    server.tell("the disk is full")
    assert client.receive_at("/rtsep/error") == ("the disk is full",)


def test_what_came_in_is_counted(server: OscProcess, client: Client) -> None:
    client.send_raw(b"nonsense")
    client.ask("/rtsep/wet")
    until(lambda: server.counts.received == 2 and server.counts.malformed == 1)


def test_a_server_that_is_killed_comes_back_on_its_port(
    room: Room, server: OscProcess, client: Client
) -> None:
    client.send("/rtsep/wet", 0.5)
    client.receive_at("/rtsep/wet")
    before = server.pid
    os.kill(before, signal.SIGKILL)

    def answers() -> bool:
        client.send("/rtsep/wet")
        found = client.receive(0.2)
        return found is not None and found.arguments == (0.5,) and server.pid != before

    until(answers)
    client.send("/rtsep/wet", 0.75)
    until(lambda: room.desk.console.wet == 0.75)
    assert len(room.said) == 1


def test_a_closed_server_leaves_no_process_and_a_free_port(room: Room) -> None:
    with room.server() as server:
        pid, address = server.pid, server.address
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(address)


def test_a_server_that_is_never_needed_ends_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with OscProcess() as server:
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert capfd.readouterr().err == ""


def test_the_first_free_port_is_taken_or_none(room: Room, server: OscProcess) -> None:
    taken = server.address[1]
    with pytest.raises(EngineError, match=str(taken)):
        room.server(range(taken, taken + 1))
    with room.server(range(taken, taken + 20)) as other:
        assert taken < other.address[1] < taken + 20


def test_an_address_that_needs_senders_is_refused_in_one_line(room: Room) -> None:
    with pytest.raises(ConfigError, match="say who may send"):
        room.server(host="0.0.0.0")


def test_a_desk_that_has_closed_says_so(room: Room, client: Client) -> None:
    room.desk.close()
    client.send("/rtsep/wet", 0.5)
    assert client.receive_at("/rtsep/error") == ("the engine has stopped: start it again",)


def test_settings_that_come_together_are_heard_together_and_each_is_answered(
    room: Room, client: Client
) -> None:
    for number in range(200):
        client.send("/rtsep/prompt/1/gain", -float(number % 50))
        client.send("/rtsep/prompt/2/mute", number % 2)
    client.send("/rtsep/prompt/2/text", "wind")
    client.send("/rtsep/gain", -3.0)
    until(lambda: room.desk.console.gain_db == -3.0)
    strips = room.desk.console.strips
    assert (strips[0].gain_db, strips[1].mute, strips[1].text) == (-49.0, True, "wind")
    assert len(room.host.consoles) < 200
    assert client.receive_at("/rtsep/gain") == (-3.0,)

"""Several rtseps side by side: OSC ports move on, a port asked for does not; names and connections."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import jack_server
import numpy as np
import pytest

import rtsep
from rtsep.audio.fake import FakeDevice
from rtsep.audio.patchbay import Connections, connections, read
from rtsep.control import OSC_PORT
from rtsep.errors import ConfigError, EngineError

NAMED = """
import json, os
from pathlib import Path
from rtsep.audio.client_name import VARIABLE
os.environ[VARIABLE] = "rtsep voice"
from rtsep.audio.device import find_device, open_device
from rtsep.audio.patchbay import Memory, connect, connections
device = open_device(find_device("JACK", "input"), find_device("JACK", "output"))
assert device.client == "rtsep voice"
at_first = connections("rtsep voice")
connect("rtsep voice", {{**at_first, "out_0": ["system:playback_2"]}})
first = Memory("rtsep voice", Path({folder!r}))
first.restore(device.client)
first.keep()
connect("rtsep voice", at_first)
again = connections("rtsep voice")
missing = Memory("rtsep voice", Path({folder!r})).restore(device.client)
restored = connections("rtsep voice")
nowhere = connect("rtsep voice", {{"in_0": ["nobody:out"]}})
device.stop()
print(json.dumps([at_first, again, restored, missing, nowhere]))
"""


class Driven(FakeDevice):
    def __init__(self) -> None:
        super().__init__(np.zeros((1, 1), np.float32), 48_000, 4800)

    def wait(self, timeout_s: float) -> bool:
        self.tick()
        time.sleep(0.01)  # three of them leave the machine to others
        return super().wait(0)


def engine(**settings: object) -> rtsep.Engine:
    return rtsep.Engine("anything", separator="passthrough", osc=True, device=Driven(), **settings)


def test_three_instances_listen_on_three_ports_and_say_where(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as all_three:
        running = [all_three.enter_context(engine()) for _ in range(3)]
        assert all(each.running for each in running)
        assert all(each.status.separator == "passthrough" for each in running)
        said = capsys.readouterr().err
    ports = [int(port) for port in re.findall(r"OSC on 127\.0\.0\.1:(\d+)", said)]
    assert len(set(ports)) == 3
    assert ports == sorted(ports)
    assert min(ports) >= OSC_PORT
    assert said.count(f"({OSC_PORT} is taken)") == sum(port != OSC_PORT for port in ports) >= 2


def test_a_port_that_is_asked_for_and_taken_is_an_error_and_lets_go_of_the_device() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port}.*another rtsep"), engine(osc_port=port):
            pass


def test_connections_without_a_name_and_names_that_no_server_takes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"connections are remembered by name: give --name as well"):
        engine(connect=True)
    with pytest.raises(ConfigError, match="--name is 'a:b'"):
        engine(name="a:b")


def test_a_client_goes_by_its_name_and_is_connected_as_it_was(
    jack_environment: dict[str, str], tmp_path: Path
) -> None:
    said = jack_server.run(NAMED.format(folder=str(tmp_path)), jack_environment)
    at_first, again, restored, missing, nowhere = json.loads(said)
    assert set(at_first) >= {"in_0", "out_0"}
    assert again == at_first
    assert restored == {**at_first, "out_0": ["system:playback_2"]}
    assert missing == []
    assert nowhere == ["rtsep voice:in_0 - nobody:out"]


def test_a_client_is_connected_as_it_was_when_its_server_is_back_under_whatever_name_it_then_has(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("jack")
    wanted = {"in_0": [], "out_0": ["system:playback_2"], "out_1": ["system:playback_1"]}
    memory = tmp_path / "rtsep" / "connections" / "voice.json"
    memory.parent.mkdir(parents=True)
    memory.write_text(json.dumps(wanted))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with ExitStack() as running:
        with jack_server.server(folder) as environment:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            other = subprocess.Popen(["jack_simple_client", "voice"], stdout=subprocess.DEVNULL)
            running.callback(other.wait)
            running.callback(other.kill)
            until_connected("voice", {"output1": ["system:playback_1"]})
            ours = rtsep.Engine("anything", separator="passthrough", name="voice", connect=True)
            running.enter_context(ours)
            until_connected("voice-01", wanted)
        with jack_server.server(folder):
            until_connected("voice", wanted)
            running.close()
    assert json.loads(memory.read_text()) == wanted


def until_connected(client: str, wanted: Connections) -> None:
    """Return when a client is connected so, or not otherwise as far as is asked."""
    deadline = time.monotonic() + 60
    while not connections(client).items() >= wanted.items():
        assert time.monotonic() < deadline, connections(client)
        time.sleep(0.05)


@pytest.mark.parametrize("text", ["", "[]", '{"in_0": 3}', '{"in_0": [4]}'])
def test_a_memory_that_cannot_be_understood_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "voice.json").write_text(text)
    assert read(tmp_path / "voice.json") == {}


def test_where_the_programs_of_jack_are_missing_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rtsep.audio import patchbay
    from rtsep.errors import DeviceError

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(DeviceError, match="--connect needs jack_lsp: apt-get install"):
        patchbay.connections("voice")

"""The panel's client against rtsep's own OSC server: both keep to docs/osc.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gui.client import Client
from gui.values import same
from rtsep.control import PARAMETERS, Command, Console, Level, Record, Status, Value
from rtsep.desk import Desk
from rtsep.latency import LatencyBudget
from rtsep.osc.server import OscServer
from rtsep.presets import Presets


class Host:
    """What the desk drives, without sound."""

    def __init__(self) -> None:
        self.status = Status(
            separator="gate",
            level_in=Level(-10.0, -20.0, 2),
            load=0.5,
            latency=LatencyBudget(48_000, 0, 0, 480, 0, 0, 0, 1440, 0),
        )

    def knows(self, text: str) -> bool:
        return True

    def learn(self, text: str) -> None:
        raise AssertionError(text)

    def apply(self, console: Console, preset: str) -> None:
        self.status = replace(self.status, console=console, preset=preset)

    def obey(self, command: Command) -> None:
        if isinstance(command, Record):
            self.status = replace(self.status, recording="here" if command.on else "")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(Host(), Console(), Presets(tmp_path))
    yield desk
    desk.close()


@pytest.fixture
def client(desk: Desk, qtbot: Any) -> Iterator[Client]:
    host = desk._host
    assert isinstance(host, Host)
    with OscServer(desk, lambda: host.status, port=0) as server:
        client = Client(port=server.address[1])
        client.open()
        qtbot.waitUntil(lambda: len(client.values.known) == len(PARAMETERS))
        yield client
        client.close()
        qtbot.waitUntil(lambda: server.subscribers == 0)


def another(name: str) -> Value:
    parameter = PARAMETERS[name]
    return {str: "dog barking", bool: not parameter.default, float: parameter.high / 2}[parameter.kind]


def test_every_parameter_is_turned_and_confirmed(client: Client, desk: Desk, qtbot: Any) -> None:
    for name in PARAMETERS:
        client.turn(name, another(name))
    qtbot.waitUntil(lambda: all(desk.console[name] == another(name) for name in PARAMETERS))
    qtbot.waitUntil(lambda: not any(map(client.values.waits, PARAMETERS)))
    assert all(same(client.values.known[name], another(name)) for name in PARAMETERS)


def test_meters_and_figures_come(client: Client, qtbot: Any) -> None:
    heard: dict[str, object] = {}
    client.metered.connect(heard.__setitem__)
    client.figured.connect(heard.__setitem__)
    client.send("subscribe", client._socket.localPort())
    wanted = {
        "in": Level(-10.0, -20.0, 2),
        "load": 0.5,
        "latency": 40.0,
        "latency/hop": 10.0,
        "dropouts": 0.0,
    }
    qtbot.waitUntil(lambda: all(heard.get(name) == value for name, value in wanted.items()))


def test_presets_recording_and_errors_come_back(client: Client, desk: Desk, qtbot: Any) -> None:
    told: list[tuple[str, object]] = []
    client.told.connect(lambda name, value: told.append((name, value)))
    client.send("subscribe", client._socket.localPort())
    qtbot.waitUntil(lambda: ("separator", "gate") in told)
    client.send("preset/save", "mine")
    qtbot.waitUntil(lambda: ("preset", "mine") in told)
    client.send("preset/next")
    qtbot.waitUntil(lambda: desk.preset != "mine")
    client.send("record", True)
    qtbot.waitUntil(lambda: ("record", True) in told)
    client.send("record", False)
    qtbot.waitUntil(lambda: ("record", False) in told)
    with qtbot.waitSignal(client.failed, check_params_cb=lambda why: "nowhere" in why):
        client.send("preset", "nowhere")

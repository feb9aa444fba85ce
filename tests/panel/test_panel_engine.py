"""Engines that the panel starts itself, and its pickers of sound cards; the peer stands in for the engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from panel_hands import discard, type_in
from panel_peer import Peer
from PyQt6.QtCore import QSettings, Qt

from gui.client import Client
from gui.devices import Device, Separator, parse, parse_separators
from gui.engine_bar import DEFAULT
from gui.panel import Panel
from gui.protocol import encode
from rtsep.audio.device import DeviceInfo
from rtsep.control import PARAMETERS
from rtsep.separators.registry import Entry

ROOT = Path(__file__).parents[2]
STAND_IN = f"""
import signal, sys, threading
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "benchmarks")!r}]
if sys.argv[1:3] == ["devices", "--midi"]:
    print('["Keys MIDI 1"]')
elif sys.argv[1] == "devices":
    print('''[{{"index": 0, "name": "Mic", "host_api": "ALSA", "max_channels_in": 1, "max_channels_out": 0}},
      {{"index": 1, "name": "Box", "host_api": "ALSA", "max_channels_in": 2, "max_channels_out": 2}},
      {{"index": 2, "name": "Box", "host_api": "JACK", "max_channels_in": 2, "max_channels_out": 2}}]''')
elif sys.argv[1] == "bundles":
    print('''[{{"name": "default", "said": "what ships", "figures": "24000 Hz"}},
      {{"name": "gate", "said": "steady noise", "figures": "48000 Hz"}},
      {{"name": "whole", "said": "whole recordings", "figures": "16000 Hz"}}]''')
elif "whole" in sys.argv:
    sys.exit("rtsep: whole looks at whole recordings")
elif "Broken, ALSA" in sys.argv:
    sys.exit("rtsep: no input device 'Broken, ALSA'; there is: Mic")
else:
    from panel_peer import Peer
    with open(sys.argv[0] + ".log", "a") as log:
        print(sys.argv[1:], file=log)
    asked = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: asked.set())  # an exception could come while the peer is made
    with Peer(int(sys.argv[sys.argv.index("--osc-port") + 1])) as peer:
        for flag, negative in (("--prompt", False), ("--remove", True)):  # in this order, from strip 1 on
            for word in [after for each, after in zip(sys.argv, sys.argv[1:]) if each == flag]:
                strip = "prompt/" + str(1 + len(peer.console.used))
                peer.turn(strip + "/text", word)
                peer.turn(strip + "/negative", negative)
        if "--separator" in sys.argv:
            peer.separator = sys.argv[sys.argv.index("--separator") + 1]
        asked.wait()
"""


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    script = tmp_path / "rtsep.py"
    script.write_text(STAND_IN, encoding="utf-8")
    return script


@pytest.fixture
def panel(port: int, stand_in: Path, tmp_path: Path, qtbot: Any) -> Iterator[Panel]:
    settings = QSettings(str(tmp_path / "panel.ini"), QSettings.Format.IniFormat)
    panel = Panel(Client(port=port), settings, (sys.executable, str(stand_in)))
    panel.asks = False
    panel.show()
    yield panel
    discard(panel)


def started_with(stand_in: Path) -> list[str]:
    return Path(f"{stand_in}.log").read_text(encoding="utf-8").splitlines()


def test_devices_are_listed_picked_and_remembered(panel: Panel, qtbot: Any, tmp_path: Path) -> None:
    bar = panel.engine_bar
    qtbot.waitUntil(lambda: len(bar.devices) == 3, timeout=10_000)
    inputs = [bar.input.itemText(index) for index in range(bar.input.count())]
    assert inputs == [DEFAULT, "Mic, ALSA", "Box, ALSA", "Box, JACK"]
    bar.host_api.setCurrentText("JACK")
    bar.host_api.activated.emit(bar.host_api.currentIndex())
    assert [bar.output.itemText(index) for index in range(bar.output.count())] == [DEFAULT, "Box, JACK"]
    bar.output.setCurrentText("Box, JACK")
    bar.output.activated.emit(1)
    qtbot.waitUntil(lambda: bar.midi.count() == 2, timeout=10_000)
    bar.midi.setCurrentText("Keys MIDI 1")
    assert bar.flags() == ["--output", "Box, JACK", "--midi", "Keys MIDI 1"]
    again = Panel(Client(port=panel.client.port), panel.settings, (sys.executable, "-c", "print('[]')"))
    assert again.engine_bar.output.currentText() == "Box, JACK", "unplugged now, and still picked"
    discard(again)


def test_a_device_is_named_by_index_only_where_words_fit_several() -> None:
    devices = [
        Device(0, "Box", "ALSA", 2, 2),
        Device(1, "Big Box", "ALSA", 2, 2),
        Device(2, "Mic", "ALSA", 1, 0),
    ]
    assert [device.flag(devices) for device in devices] == ["0", "Big Box, ALSA", "Mic, ALSA"]


def test_devices_are_read_as_rtsep_devices_prints_them() -> None:
    there = DeviceInfo(3, "Box", "JACK", 2, 4, 48_000)
    assert parse(json.dumps([asdict(there)])) == [Device(3, "Box", "JACK", 2, 4)]


@pytest.mark.parametrize("text", ["", "no sound card found", "{}x", '[{"index": 1}]', "[1]", "3"])
def test_what_is_no_list_of_devices_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


def test_an_engine_is_started_with_the_strips_and_stopped(panel: Panel, stand_in: Path, qtbot: Any) -> None:
    panel.strips.pick("speech")
    panel.fields["prompt/2/text"].pick("rain")  # type: ignore[attr-defined]
    panel.fields["prompt/2/negative"].button.click()  # type: ignore[attr-defined]
    panel.engine_bar.go.click()
    qtbot.waitUntil(lambda: panel.client.alive, timeout=10_000)
    flags = ["run", "--osc", "--osc-port", str(panel.client.port), "--prompt", "speech", "--remove", "rain"]
    assert started_with(stand_in) == [str(flags)]
    assert panel.engine_bar.state.text() == "runs"
    assert not panel.engine_bar.go.isEnabled()
    panel.engine_bar.halt.click()
    qtbot.waitUntil(lambda: panel.engine_bar.state.text() == "no engine", timeout=5000)
    assert panel.engine_bar.go.isEnabled()


def test_an_engine_that_is_started_has_every_sound_on_its_own_strip(panel: Panel, qtbot: Any) -> None:
    wanted = {
        "prompt/1/text": "rain",
        "prompt/1/negative": True,
        "prompt/2/text": "",
        "prompt/3/text": "speech",
    }
    for name, value in wanted.items():
        if value:
            type_in(panel, name, value)
    for _ in range(2):
        panel.engine_bar.go.click()
        qtbot.waitUntil(lambda: len(panel.client.values.known) == len(PARAMETERS), timeout=10_000)
        qtbot.waitUntil(lambda: wanted.items() <= panel.client.values.known.items())
        assert {name: panel.fields[name].value for name in wanted} == wanted
        assert not panel.client.values.known["prompt/3/negative"]
        panel.engine_bar.halt.click()
        qtbot.waitUntil(lambda: panel.engine_bar.state.text() == "no engine", timeout=5000)


def test_an_engine_from_elsewhere_keeps_its_own_after_one_did_not_start(panel: Panel, qtbot: Any) -> None:
    panel.engine_bar.input.addItem("Broken, ALSA")
    panel.engine_bar.input.setCurrentText("Broken, ALSA")
    panel.start_engine()
    qtbot.waitUntil(lambda: "did not start" in panel.notice.text(), timeout=10_000)
    with Peer(panel.client.port) as elsewhere:
        elsewhere.turn("prompt/1/text", "violin")
        qtbot.waitUntil(lambda: panel.fields["prompt/1/text"].value == "violin", timeout=5000)
        assert elsewhere.console["prompt/1/text"] == "violin"


def test_closing_asks_before_it_stops_an_engine(
    panel: Panel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.start_engine()
    qtbot.waitUntil(lambda: panel.client.alive, timeout=10_000)
    panel.asks = True
    monkeypatch.setattr(panel, "may_close", lambda: False)
    assert not panel.close()
    assert panel.isVisible()
    assert panel.engine.running
    monkeypatch.setattr(panel, "may_close", lambda: True)
    assert panel.close()
    assert not panel.engine.running


def test_an_engine_that_cannot_start_says_why(panel: Panel, qtbot: Any) -> None:
    panel.engine_bar.input.addItem("Broken, ALSA")
    panel.engine_bar.input.setCurrentText("Broken, ALSA")
    panel.start_engine()
    qtbot.waitUntil(lambda: "did not start: no input device 'Broken, ALSA'" in panel.notice.text())
    assert not panel.engine.wanted


def test_a_killed_engine_is_started_again_as_it_was(panel: Panel, stand_in: Path, qtbot: Any) -> None:
    panel.start_engine()
    qtbot.waitUntil(lambda: len(panel.client.values.known) > 50, timeout=10_000)
    panel.fields["gain"].box.setValue(-9.0)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: panel.client.values.known["gain"] == -9.0)
    os.kill(panel.engine._process.processId(), signal.SIGKILL)
    qtbot.waitUntil(lambda: "Starting it again in 1 s" in panel.notice.text(), timeout=2000)
    qtbot.waitUntil(lambda: len(started_with(stand_in)) == 2, timeout=10_000)
    qtbot.waitUntil(lambda: panel.client.values.known.get("gain") == -9.0, timeout=5000)
    assert panel.fields["gain"].value == -9.0


def test_a_killed_panel_leaves_its_engine_playing(
    port: int, stand_in: Path, tmp_path: Path, qtbot: Any
) -> None:
    script = f"""
import sys
from PyQt6.QtCore import QSettings, QTimer
from PyQt6.QtWidgets import QApplication
from gui.client import Client
from gui.panel import Panel
from gui.protocol import encode
application = QApplication([])
settings = QSettings({str(tmp_path / "other.ini")!r}, QSettings.Format.IniFormat)
panel = Panel(Client(port={port}), settings, (sys.executable, {str(stand_in)!r}))
panel.client.reached.connect(lambda on: print(panel.engine._process.processId(), flush=True))
panel.start_engine()
application.exec()
"""
    doomed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert doomed.stdout is not None
    engine = int(doomed.stdout.readline())
    try:
        doomed.kill()
        doomed.wait()
        doomed.stdout.close()
        client = Client(port=port)
        client.open()
        qtbot.waitUntil(lambda: client.alive, timeout=2000)
        time.sleep(0.3)
        qtbot.wait(300)
        assert client.alive
        client.close()
    finally:
        os.kill(engine, signal.SIGKILL)


def test_on_windows_an_engine_is_asked_to_quit_over_osc(
    panel: Panel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.start_engine()
    qtbot.waitUntil(lambda: panel.client.alive, timeout=10_000)
    monkeypatch.setattr("gui.process.sys", SimpleNamespace(platform="win32"))
    asked: list[str] = []

    def noting(name: str, *values: float | bool | str) -> bytes:
        asked.append(name)
        return encode(name, *values)

    monkeypatch.setattr("gui.client.encode", noting)
    panel.engine.stop()
    assert asked == ["quit"]
    assert panel.engine.running  # it is given time to close its files


def test_an_engine_that_was_told_to_end_is_not_started_again(panel: Panel, qtbot: Any) -> None:
    panel.engine_bar.go.click()
    qtbot.waitUntil(lambda: panel.client.alive, timeout=10_000)
    os.kill(panel.engine._process.processId(), signal.SIGINT)  # as Ctrl-C, or quit over OSC, ends it: with 0
    qtbot.waitUntil(lambda: not panel.engine.wanted, timeout=10_000)
    assert panel.notice.text() == "The engine has ended as it was asked to."
    assert not panel.engine._again.isActive()


def separator_offered(panel: Panel) -> list[str]:
    picker = panel.engine_bar.separator
    return [picker.itemText(index) for index in range(picker.count())]


def pick_separator(panel: Panel, name: str) -> None:
    picker = panel.engine_bar.separator
    assert picker.isEnabled()
    picker.setCurrentText(name)
    picker.activated.emit(picker.currentIndex())


def test_a_separator_is_picked_and_remembered_before_an_engine_starts(
    panel: Panel, stand_in: Path, qtbot: Any
) -> None:
    bar = panel.engine_bar
    assert bar.flags() == []
    qtbot.waitUntil(lambda: separator_offered(panel) == ["default", "gate", "whole"], timeout=10_000)
    assert bar.separator.itemData(1, Qt.ItemDataRole.ToolTipRole) == "steady noise\n48000 Hz"
    pick_separator(panel, "gate")
    assert bar.flags() == ["--separator", "gate"]
    again = Panel(Client(port=panel.client.port), panel.settings, (sys.executable, "-c", "print('[]')"))
    assert again.engine_bar.separator.currentText() == "gate", "uninstalled now, and still picked"
    discard(again)


def test_another_separator_starts_the_engine_anew_with_the_console_as_it_was(
    panel: Panel, stand_in: Path, qtbot: Any
) -> None:
    qtbot.waitUntil(lambda: len(separator_offered(panel)) == 3, timeout=10_000)
    panel.strips.pick("speech")
    panel.start_engine()
    qtbot.waitUntil(lambda: len(panel.client.values.known) > 50, timeout=10_000)
    panel.fields["gain"].box.setValue(-9.0)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: panel.client.values.known.get("gain") == -9.0, timeout=10_000)
    pick_separator(panel, "gate")
    qtbot.waitUntil(lambda: len(started_with(stand_in)) == 2, timeout=10_000)
    assert "'--separator', 'gate', '--prompt', 'speech'" in started_with(stand_in)[1]
    qtbot.waitUntil(lambda: panel.client.values.known.get("gain") == -9.0, timeout=10_000)
    qtbot.waitUntil(lambda: panel.engine_bar.state.text() == "runs", timeout=10_000)
    assert panel.engine_bar.separator.currentText() == "gate"
    pick_separator(panel, "gate")
    assert panel.engine.running, "the one that runs is left alone"
    assert len(started_with(stand_in)) == 2


def test_a_separator_that_does_not_start_brings_back_the_one_before(
    panel: Panel, stand_in: Path, qtbot: Any
) -> None:
    qtbot.waitUntil(lambda: len(separator_offered(panel)) == 3, timeout=10_000)
    said: list[str] = []
    panel.engine.ended.connect(said.append)
    panel.start_engine()
    qtbot.waitUntil(lambda: panel.engine_bar.state.text() == "runs", timeout=10_000)
    pick_separator(panel, "whole")
    qtbot.waitUntil(lambda: len(started_with(stand_in)) == 2, timeout=20_000)
    assert said == ["The engine did not start: whole looks at whole recordings. It goes on as it was."]
    qtbot.waitUntil(lambda: panel.engine_bar.state.text() == "runs", timeout=10_000)
    qtbot.waitUntil(lambda: panel.engine_bar.flags() == [], timeout=10_000)


def test_the_separator_of_an_engine_started_elsewhere_is_shown_and_not_changed(
    panel: Panel, port: int, qtbot: Any
) -> None:
    with Peer(port) as peer:
        peer.separator = "another"
        qtbot.waitUntil(lambda: panel.engine_bar.separator.currentText() == "another", timeout=10_000)
        assert not panel.engine_bar.separator.isEnabled()
    qtbot.waitUntil(lambda: panel.engine_bar.separator.currentText() == "default", timeout=10_000)
    assert panel.engine_bar.separator.isEnabled()


def test_separators_are_read_as_rtsep_bundles_prints_them() -> None:
    there = Entry("gate", "steady noise", "48000 Hz")
    assert parse_separators(json.dumps([asdict(there)])) == [Separator("gate", "steady noise", "48000 Hz")]
    with pytest.raises(ValueError, match=r".+"):
        parse_separators('[{"name": "gate"}]')

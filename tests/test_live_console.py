"""A live engine under OSC: what goes wrong by itself is told, and quitting finalises what is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from builders import LIVE_CODEC, BagOfWords, full_disk, noise, tiny_bundle, transparent_separator
from engine_builders import LiveDevice
from osc_builders import PATIENCE_S, Client

from rtsep.control import Console
from rtsep.desk import Desk
from rtsep.engine import Engine
from rtsep.models.prompts import FilmCache
from rtsep.models.text import TEXT_ENCODERS
from rtsep.osc.server import OscServer
from rtsep.presets import Presets

BLOCK = 256


class Stage:
    """An engine on a fake device, its desk, its server, and somebody who watches."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        bundle = tiny_bundle(folder / "bundle", transparent_separator(LIVE_CODEC))
        self.samples = noise(round(seconds * 48_000))
        self.device = LiveDevice(self.samples)
        films = FilmCache(bundle, folder / "films")
        console = Console.of(["dog"])
        self.engine = Engine(bundle.separator, films, self.device, console, recordings=folder / "recordings")
        self.desk = Desk(self.engine, console, Presets(folder / "presets"))
        self.server = OscServer(self.desk, lambda: self.engine.status, port=0)

    def play(self, seconds: float) -> None:
        """Call back for so long."""
        for _ in range(round(seconds * 48_000 / BLOCK)):
            self.device.tick()
            self.engine.step()

    def record(self, client: Client, *, on: bool) -> None:
        """Have a client start or stop recording, which the worker does with the next block."""
        client.send("/rtsep/record", on)
        assert client.receive_at("/rtsep/record") == (on,)
        self.play(2 * BLOCK / 48_000)

    def takes(self) -> list[Path]:
        """The folders of all recordings."""
        return sorted((self.folder / "recordings").iterdir())


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setitem(TEXT_ENCODERS, "bag-of-words", BagOfWords)
    made = Stage(tmp_path, 2.0)
    with made.server:
        yield made
    made.desk.close()
    made.engine._takes.close()  # where a test has failed, its thread would wait for ever


@pytest.fixture
def watcher(stage: Stage) -> Iterator[Client]:
    with Client(stage.server.address) as found:
        found.send("/rtsep/subscribe")
        found.settle()
        yield found


def test_a_disk_that_fills_up_is_told_to_every_subscriber_and_a_new_recording_can_begin(
    stage: Stage, watcher: Client, caplog: pytest.LogCaptureFixture
) -> None:
    stage.engine.open()
    with Client(stage.server.address) as pedal, full_disk(40_000):
        stage.record(pedal, on=True)
        assert watcher.receive_at("/rtsep/record") == (1,)
        stage.play(0.8)  # 115 KB
        (text,) = watcher.receive_at("/rtsep/error")
    assert str(text).startswith(f"recording to {stage.takes()[0]} stopped: cannot go on writing")
    assert watcher.ask("/rtsep/record") == (0,)
    assert "stopped" in caplog.text
    stage.record(watcher, on=True)
    stage.play(0.2)
    stage.record(watcher, on=False)
    stage.engine.stop()
    first, second = stage.takes()
    with soundfile.SoundFile(first / "input.flac") as file:
        assert np.abs(file.read(5_000, dtype="float32")[:, None] - stage.samples[:5_000]).max() <= 1e-6
    assert soundfile.info(second / "input.flac").frames == pytest.approx(9600, abs=4 * BLOCK)


def test_a_folder_that_cannot_be_written_is_told_to_who_asked_and_to_who_watches(
    stage: Stage, watcher: Client
) -> None:
    (stage.folder / "recordings").write_text("a file")
    with Client(stage.server.address) as pedal:
        pedal.send("/rtsep/record", 1)
        for client in (pedal, watcher):
            assert "cannot make the folder" in str(client.receive_at("/rtsep/error")[0])
    watcher.send("/rtsep/record", 1)  # who does both is told once
    assert "cannot make the folder" in str(watcher.receive_at("/rtsep/error")[0])
    assert watcher.settle() == []


def test_quitting_over_osc_ends_the_engine_and_finalises_the_recording(stage: Stage, watcher: Client) -> None:
    stage.engine.start()
    watcher.send("/rtsep/record", 1)
    assert watcher.receive_at("/rtsep/record") == (1,)
    for _ in range(50):
        stage.device.tick()
        assert stage.device.drained()
    watcher.send("/rtsep/quit", 0)  # a button that is let go
    watcher.settle()
    assert stage.engine.running
    watcher.send("/rtsep/quit")
    stage.engine._thread.join(PATIENCE_S)
    assert not stage.engine.running  # whoever waits for that stops it
    stage.engine.stop()
    (take,) = stage.takes()
    assert soundfile.info(take / "input.flac").frames > 40 * BLOCK
    watcher.send("/rtsep/quit")
    assert "the engine has stopped" in str(watcher.receive_at("/rtsep/error")[0])


def test_the_names_of_presets_are_read_over_osc_and_told_when_one_is_saved(
    stage: Stage, watcher: Client
) -> None:
    before = watcher.ask("/rtsep/presets")
    assert before == tuple(stage.desk.presets.names())
    assert "speech" in before
    with Client(stage.server.address) as other:
        other.send("/rtsep/preset/save", "aa mine")
    assert watcher.receive_at("/rtsep/presets") == ("aa mine", *before)

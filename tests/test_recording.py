"""What the engine records: whole files, however it ends, and never one over another."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from builders import Array, noise
from engine_builders import LiveDevice, always, engine_on, ticked

from rtsep.audio.fake import FakeDevice
from rtsep.control import Record
from rtsep.errors import AudioFileError, EngineError

pytestmark = pytest.mark.usefixtures("bag_of_words")


def read(path: Path) -> Array:
    samples: Array = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


def test_what_was_recorded_is_there_after_the_stop_however_it_ended(tmp_path: Path) -> None:
    x = noise(256 * 60)
    device = LiveDevice(x)
    engine = engine_on(device, tmp_path)
    engine.start()
    folders = []
    for number in range(60):
        if number in (5, 6, 30):
            engine.obey(Record(True))  # the second time it is recording already
        if number in (20, 21):
            engine.obey(Record(False))
        device.tick()
        assert device.drained()
        folders.append(engine.status.recording)
    engine.stop()  # which ends the second recording
    first, second = sorted((tmp_path / "recordings").iterdir())
    assert folders[3] == folders[25] == ""
    assert (folders[15], folders[55]) == (str(first), str(second))
    for folder, start, most in ((first, 5, 15), (second, 30, 30)):
        heard, played = read(folder / "input.flac"), read(folder / "output.flac")
        # The order is taken with the next block, perhaps while one is being worked on.
        assert abs(len(heard) - most * 256) <= 256
        assert np.abs(heard - x[start * 256 : start * 256 + len(heard)]).max() <= 1e-6
        assert np.abs(played - heard[: len(played)]).max() <= 1e-4
        assert len(played) > len(heard) - 2000


def test_a_recording_that_was_to_end_as_the_engine_stopped_ends(tmp_path: Path) -> None:
    device = FakeDevice(noise(256 * 20), 48_000, 256)
    engine = engine_on(device, tmp_path)
    device.start(engine.latency.engine)
    engine.obey(Record(True))
    for _ in range(10):
        device.tick()
        engine.step()
    engine.obey(Record(False))
    engine.stop()
    deadline = time.monotonic() + 10
    while any(thread.name == "rtsep-recorder" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a recorder waits for ever"
        time.sleep(0.01)
    (folder,) = (tmp_path / "recordings").iterdir()
    assert len(read(folder / "input.flac")) == 2560
    with pytest.raises(EngineError, match="the engine has stopped"):
        engine.obey(Record(True))


def test_recordings_of_the_same_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    device = FakeDevice(noise(256 * 20), 48_000, 256)
    engine = engine_on(device, tmp_path)
    device.start(engine.latency.engine)
    for _ in range(3):
        engine.obey(Record(True))
        device.tick()
        engine.step()
        engine.obey(Record(False))
    engine.stop()
    assert len(list((tmp_path / "recordings").iterdir())) == 3


def test_a_recording_that_cannot_be_made_is_refused_and_nothing_stops(tmp_path: Path) -> None:
    device = FakeDevice(noise(5000), 48_000, 256)
    engine = engine_on(device, tmp_path)
    (tmp_path / "recordings").write_text("a file")
    with pytest.raises(AudioFileError, match="cannot make the folder"):
        engine.obey(Record(True))
    ticked(engine, device, always(), 5000)
    assert engine.status.recording == ""

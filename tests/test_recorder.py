"""Recording: both files begin at the same sample, are valid after the stop, and a full disk is told."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
from builders import Array, full_disk, keep_all, noise, random_films, random_sizes, transparent_separator

from rtsep.control import Console
from rtsep.errors import AudioFileError
from rtsep.pipeline import Pipeline
from rtsep.recorder import Recorder
from rtsep.worker import StartRecording, StopRecording, Worker

ONE_BIT = 2.0**-23
"""The files have 24 bits."""


def read(path: Path) -> Array:
    samples: Array = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("before", [0, 1, 7])
def test_both_files_begin_at_the_same_sample_of_the_input(tmp_path: Path, channels: int, before: int) -> None:
    separator = transparent_separator()
    pipeline = Pipeline(separator, keep_all(random_films(separator, 1)), 48_000, channels)
    worker = Worker(pipeline, Console.of(["dog"]))
    x = noise(20_000, channels)
    sizes = random_sizes(len(x), 700)
    outputs: list[Array] = []
    at = start = end = given = 0
    recorder = Recorder(tmp_path / "take", 48_000, channels, channels)
    for number, size in enumerate(sizes):
        if number == before:
            worker.orders.put(StartRecording(recorder))
            start = at
        if number == len(sizes) - 3:
            worker.orders.put(StopRecording())
            end, given = at, sum(map(len, outputs))
        outputs.append(worker.process(x[at : at + size]))
        at += size
        assert worker.status.recording == (
            str(tmp_path / "take") if before <= number < len(sizes) - 3 else ""
        )
    recorder.close()
    y = np.concatenate(outputs)
    heard, played = read(tmp_path / "take" / "input.flac"), read(tmp_path / "take" / "output.flac")
    assert soundfile.info(tmp_path / "take" / "output.flac").samplerate == 48_000
    assert len(heard) == end - start
    assert np.abs(heard - x[start:end]).max() <= ONE_BIT
    # Sample k of either file belongs to sample k of the other; the output's last are still on their way.
    assert len(played) == given - start
    assert np.abs(played - y[start:given]).max() <= ONE_BIT
    assert np.abs(played - heard[: len(played)]).max() <= 1e-4
    assert recorder.failure is None


def test_a_file_of_no_samples_which_nothing_could_read_is_not_left_behind(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "take", 44_100, 1, 2)
    recorder.put(0, noise(100), 0, noise(0, 2))
    recorder.close()
    recorder.close()
    assert [path.name for path in (tmp_path / "take").iterdir()] == ["input.flac"]
    assert len(read(tmp_path / "take" / "input.flac")) == 100
    assert recorder.failure is None


def test_a_full_disk_is_noted_and_leaves_files_that_are_valid_so_far(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x = noise(400_000)
    with full_disk(300_000):
        recorder = Recorder(tmp_path / "take", 48_000, 1, 1)
        for start in range(0, len(x), 1000):
            recorder.put(start, x[start : start + 1000], start, x[start : start + 1000])
        recorder.close()
    assert isinstance(recorder.failure, AudioFileError)
    assert "cannot go on writing" in str(recorder.failure)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"recording to {tmp_path / 'take'} stopped: cannot go on writing" in caplog.text
    for name in ("input", "output"):
        with soundfile.SoundFile(tmp_path / "take" / f"{name}.flac") as file:
            found = file.read(50_000, dtype="float32", always_2d=True)
        assert np.abs(found - x[: len(found)]).max() <= ONE_BIT
        assert len(found) == 50_000


def test_a_disk_that_is_full_only_at_the_end_is_noted_as_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path / "take", 48_000, 1, 1)
    for sink in recorder._sinks:
        close = sink._writer.close

        def full(close: object = close) -> None:
            close()  # type: ignore[operator]
            raise OSError("no space left")

        monkeypatch.setattr(sink._writer, "close", full)
    recorder.close()
    assert "cannot finish writing (no space left)" in str(recorder.failure)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_folder_or_a_format_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match=r"cannot make the folder .*File exists"):
        Recorder(tmp_path / "file", 48_000, 1, 1)
    with pytest.raises(AudioFileError, match=r"cannot write .*output\.wav, 2000 channels"):
        Recorder(tmp_path / "take", 48_000, 2, 2000)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_has_more_channels_than_flac_takes_is_a_wav_file(tmp_path: Path) -> None:
    x, y = noise(4800, 2), noise(4800, 18, seed=1)
    recorder = Recorder(tmp_path / "take", 48_000, 2, 18)
    recorder.put(0, x, 0, y)
    recorder.close()
    assert np.abs(read(tmp_path / "take" / "input.flac") - x).max() <= 2.0**-23
    assert np.abs(read(tmp_path / "take" / "output.wav") - y).max() <= 2.0**-23

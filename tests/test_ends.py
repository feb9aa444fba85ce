"""What ``--output`` means: one file, a folder of stems; all stems aligned and as long as the input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from builders import Array, full_disk, noise

from rtsep.audio.file import AudioSink
from rtsep.config import RunSettings
from rtsep.control import STRIPS, Console, Strip
from rtsep.ends import StemFiles, as_channels, check_ends, is_file, open_sink, stem_count
from rtsep.errors import AudioFileError, ConfigError


def settings(**given: object) -> RunSettings:
    return RunSettings.model_validate(given)


def console(*strips: Strip) -> Console:
    return Console((*strips, *(Strip(),) * (STRIPS - len(strips))))


def read(path: Path) -> Array:
    samples: Array = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


def test_an_output_is_a_file_or_a_device_by_its_looks(tmp_path: Path) -> None:
    for text in ("out.wav", "-", "x.FLAC", "stems/", str(tmp_path), "a.opus"):
        assert is_file(text), text
    for device in (None, "scarlett", "USB Audio 2.0", "0"):
        assert not is_file(device), device


def test_there_are_stems_up_to_the_last_strip_in_use() -> None:
    strips = console(Strip("a"), Strip("b", enable=False), Strip("c", negative=True), Strip("", solo=True))
    assert stem_count(settings(stems=True), strips) == 3
    assert stem_count(settings(), strips) == 0
    assert stem_count(settings(stems=True), Console()) == 0


@pytest.mark.parametrize("channels", [1, 2])
def test_every_strip_has_a_file_by_number_and_words(tmp_path: Path, channels: int) -> None:
    strips = console(Strip("dog barking"), Strip(), Strip('a/b\\c:d*"?<>|'), Strip("Möwe"))
    x = noise(5000, 5 * channels)
    folder = tmp_path / "new" / "stems"
    with open_sink(settings(output=f"{folder}/", stems=True), 44_100, channels, strips) as sink:
        assert isinstance(sink, StemFiles)
        for start in range(0, len(x), 700):
            sink.write(x[start : start + 700])
    names = ["1 dog barking", "2", "3 abcd", "4 Möwe", "everything else"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.wav" for name in names)
    for number, name in enumerate(names):
        found = read(folder / f"{name}.wav")
        assert soundfile.info(folder / f"{name}.wav").samplerate == 44_100
        assert found.shape == (5000, channels)
        assert np.abs(found - x[:, number * channels : (number + 1) * channels]).max() <= 2.0**-23


def test_a_file_takes_every_stem_on_channels_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    asked = settings(output=str(path), stems=True)
    with open_sink(asked, 48_000, 2, console(Strip("a"), Strip("b"))) as sink:
        assert isinstance(sink, AudioSink)
        sink.write(noise(100, 6))
    assert read(path).shape == (100, 6)
    with open_sink(settings(output=str(path)), 48_000, 2, console(Strip("a"), Strip("b"))) as sink:
        sink.write(noise(100, 2))
    assert read(path).shape == (100, 2)


def test_words_that_are_no_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "stems"
    for words in ("../../escaped", "/etc/passwd", "..", "x" * 300, "con\n"):
        with StemFiles(folder, 48_000, 1, console(Strip(words)), 1) as sink:
            sink.write(noise(10, 2))
    assert {path.name for path in tmp_path.iterdir()} == {"stems"}
    assert all(path.is_file() and path.name.startswith(("1", "every")) for path in folder.iterdir())
    assert all(len(read(path)) == 10 for path in folder.iterdir())


def test_stems_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match=r"cannot make the folder .*File exists"):
        StemFiles(tmp_path / "file", 48_000, 1, console(Strip("a")), 1)
    (tmp_path / "stems" / "everything else.wav").mkdir(parents=True)
    with pytest.raises(AudioFileError, match=r"cannot write .*everything else"):
        StemFiles(tmp_path / "stems", 48_000, 1, console(Strip("a")), 1)


def test_a_full_disk_leaves_every_stem_valid(tmp_path: Path) -> None:
    x = noise(200_000, 2)
    with (
        full_disk(200_000),
        pytest.raises(AudioFileError, match="cannot go on writing"),
        StemFiles(tmp_path, 48_000, 1, console(Strip("a")), 1) as sink,
    ):
        for start in range(0, len(x), 1000):
            sink.write(x[start : start + 1000])
    for number, name in enumerate(("1 a", "everything else")):
        found = read(tmp_path / f"{name}.wav")
        assert 50_000 < len(found) < 200_000
        assert np.abs(found - x[: len(found), number : number + 1]).max() <= 2.0**-23


@pytest.mark.parametrize("output", ["folder", "folder/", "new/"])
def test_a_folder_is_for_stems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=f"--output {output} is a folder: name a file in it, or ask for"):
        check_ends(settings(input="in.wav", output=output), None)
    check_ends(settings(input="in.wav", output=output, stems=True), None)


def test_channels_are_mixed_down_or_spread() -> None:
    x = noise(10, 2)
    assert as_channels(x, 2) is x
    assert np.allclose(as_channels(x, 1)[:, 0], x.mean(axis=1))
    assert np.array_equal(as_channels(x[:, :1], 2), np.repeat(x[:, :1], 2, axis=1))


@pytest.mark.parametrize("name", ["everything else.wav", "1 a.wav"])
def test_a_stem_is_never_written_over_what_is_read(tmp_path: Path, name: str) -> None:
    with AudioSink(tmp_path / name, 48_000, 1) as sink:
        sink.write(noise(4800))
    given = settings(input=str(tmp_path / name), output=f"{tmp_path}/", stems=True)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ConfigError, match="would be written over: name another folder"):
        open_sink(given, 48_000, 1, console(Strip("a")))
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]

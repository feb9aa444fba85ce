"""``rtsep codes``: files out as long as files in, nothing shifted, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import builders
import numpy as np
import pytest
import soundfile
from torch import Tensor

from rtsep.cli import main
from rtsep.control import Console
from rtsep.models.bundle import Bundle
from rtsep.models.quantize import Quantizer
from rtsep.serve.container import CodeReader
from rtsep.serve.files import decode, edit, encode
from rtsep.serve.format import CodeFormat


def rtsep(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def sound(path: Path, length: int, channels: int = 1, rate: int = 48_000) -> Path:
    soundfile.write(path, builders.noise(length, channels), rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize(("rate", "channels", "length"), [(44_100, 2, 3001), (48_000, 1, 7), (24_000, 1, 1)])
def test_what_is_decoded_is_as_long_as_what_was_encoded(
    tmp_path: Path, tiny: Bundle, rate: int, channels: int, length: int
) -> None:
    source = sound(tmp_path / "in.wav", length, channels, rate)
    assert rtsep("codes", "encode", source, tmp_path / "x.rtc", "--bundle", tiny.path) == 0
    words = ("-p", "speech", "--bundle", tiny.path)
    assert rtsep("codes", "separate", tmp_path / "x.rtc", tmp_path / "y.rtc", *words) == 0
    for name in ("x", "y"):
        target = tmp_path / f"{name}.wav"
        assert rtsep("codes", "decode", tmp_path / f"{name}.rtc", target, "--bundle", tiny.path) == 0
        info = soundfile.info(target)
        assert (info.frames, info.channels, info.samplerate) == (length, channels, rate)


class Fine(Quantizer):
    """A quantiser without loss to speak of, so that a shift by a sample would show."""

    def initial_state(self, batch: int) -> tuple[tuple[()], tuple[()]]:
        return (), ()

    def encode(self, z: Tensor, state: tuple[()], codebooks: int | None = None) -> tuple[Tensor, tuple[()]]:
        return (1e6 * z).round().long(), state

    def decode(self, codes: Tensor, state: tuple[()], *, mend: bool = False) -> tuple[Tensor, tuple[()]]:
        return codes / 1e6, state


@pytest.mark.parametrize("length", [1, 7, 479, 10_011])
@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_nothing_is_shifted_on_the_way_to_codes_and_back(length: int, rate: int, tmp_path: Path) -> None:
    bundle = builders.tiny_bundle(tmp_path / "b", builders.transparent_separator())
    format = CodeFormat.of(bundle, channels=2)
    bundle.separator.codec.quantizer = Fine()
    time = np.arange(length)[:, None] / rate
    x = (0.1 * np.sin(2 * np.pi * np.array([[900.0, 1300.0]]) * time)).astype(np.float32)
    heard = np.concatenate(
        list(decode(bundle, format, rate, encode(bundle, format, rate, np.array_split(x, 3))))
    )
    assert length <= len(heard) <= length + rate // 100
    error = np.abs(heard[:length] - x)[500:-500]
    assert error.max(initial=0) < 0.1 * np.abs(np.diff(x, axis=0)).max(
        initial=1
    )  # a sample late is ten times that


def test_editing_a_file_is_what_a_session_does(tmp_path: Path, tiny: Bundle) -> None:
    assert (
        rtsep("codes", "encode", sound(tmp_path / "in.wav", 3000), tmp_path / "x.rtc", "--bundle", tiny.path)
        == 0
    )
    words = ("--remove", "rain", "-p", "music", "--set", "prompt/1/gain=-9", "--bundle", tiny.path)
    assert rtsep("codes", "separate", tmp_path / "x.rtc", tmp_path / "y.rtc", *words) == 0
    console = Console.of(["music"], ["rain"]).turned("prompt/1/gain", -9.0)
    with CodeReader(tmp_path / "x.rtc") as before, CodeReader(tmp_path / "y.rtc") as after:
        expected = edit(tiny, before.header.format, console, before.frames())
        for wanted, found in zip(expected, after.frames(), strict=True):
            assert wanted.number == found.number
            assert np.array_equal(wanted.codes, found.codes)
        assert before.end == after.end
        assert before.header == after.header


def damaged(data: bytes) -> dict[str, bytes]:
    middle = len(data) // 2
    flipped = bytes([data[middle] ^ 1])
    return {
        "truncated": data[:-3],
        "checksum": data[:middle] + flipped + data[middle + 1 :],
        "no file of codes": b"RIFF" + data,
        "goes on": data + b"x",
    }


@pytest.mark.parametrize("fault", ["truncated", "checksum", "no file of codes", "goes on", "No such file"])
def test_a_damaged_file_is_one_line_and_leaves_nothing(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    source, bad = tmp_path / "x.rtc", tmp_path / "bad.rtc"
    assert rtsep("codes", "encode", sound(tmp_path / "in.wav", 3000), source, "--bundle", tiny.path) == 0
    faults = damaged(source.read_bytes())
    if fault in faults:
        bad.write_bytes(faults[fault])
    capsys.readouterr()
    before = sorted(tmp_path.iterdir())
    assert rtsep("codes", "decode", bad, tmp_path / "out.wav", "--bundle", tiny.path) == 2
    assert rtsep("codes", "separate", bad, tmp_path / "y.rtc", "-p", "rain", "--bundle", tiny.path) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(fault in line for line in said)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("rate", [300, 1_000_000])
def test_sound_of_a_rate_that_no_resampler_carries_is_refused(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str], rate: int
) -> None:
    source = sound(tmp_path / "in.wav", 3000, rate=rate)
    assert rtsep("codes", "encode", source, tmp_path / "x.rtc", "--bundle", tiny.path) == 2
    assert f"in.wav has {rate} Hz: codes are of sound of 400 to 768000 Hz" in capsys.readouterr().err
    assert not (tmp_path / "x.rtc").exists()


def test_a_sample_beyond_all_sound_is_encoded_as_silence(tiny: Bundle) -> None:
    format, good = CodeFormat.of(tiny), builders.noise(4800)
    spoilt = good.copy()
    good[2000], spoilt[2000] = 0.0, 1e25
    found, expected = ([*encode(tiny, format, 24_000, [each])] for each in (spoilt, good))
    assert len(found) == len(expected) > 0
    assert all(np.array_equal(a.codes, b.codes) for a, b in zip(found, expected, strict=True))


def test_what_cannot_be_edited_is_refused_before_anything_is_written(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "x.rtc", tmp_path / "y.rtc"
    assert rtsep("codes", "encode", sound(tmp_path / "in.wav", 3000), source, "--bundle", tiny.path) == 0
    capsys.readouterr()
    assert rtsep("codes", "separate", source, target, "--bundle", tiny.path) == 2
    assert "no prompt" in capsys.readouterr().err
    assert rtsep("codes", "separate", source, target, "-p", "speech", "--bundle", "default") == 2
    assert "use the bundle they were made with" in capsys.readouterr().err
    assert rtsep("codes", "encode", tmp_path / "in.wav", target, "--codebooks", 99) == 2
    assert "default has 1 to 12" in capsys.readouterr().err
    assert rtsep("codes", "encode", tmp_path / "none.wav", target) == 2
    assert not target.exists()
    assert not list(tmp_path.glob("*.part"))


def test_what_is_read_is_never_written_over(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    source, codes, folder = sound(tmp_path / "in.wav", 500), tmp_path / "in.rtc", tmp_path / "folder"
    folder.mkdir()
    assert rtsep("codes", "encode", source, codes, "--bundle", tiny.path) == 0
    before = source.read_bytes(), codes.read_bytes()
    words = ("--bundle", tiny.path)
    for command, path in (("encode", source), ("decode", codes), ("separate", codes)):
        prompt = ("-p", "speech") if command == "separate" else ()
        assert rtsep("codes", command, path, path, *prompt, *words) == 2
        assert "is what is read: name another file to write" in capsys.readouterr().err
    assert (source.read_bytes(), codes.read_bytes()) == before
    assert rtsep("codes", "encode", source, folder, *words) == 2
    assert "it is a folder, name a file in it" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "in.rtc", "in.wav"]


def test_a_disk_that_is_full_only_at_the_end_is_one_line_and_leaves_nothing(
    tmp_path: Path, tiny: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sound(tmp_path / "in.wav", 500)
    with builders.full_disk(16):
        assert rtsep("codes", "encode", source, tmp_path / "x.rtc", "--bundle", tiny.path) == 2
    assert "make room" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]

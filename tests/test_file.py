import os
import struct
import subprocess
import sys
import threading
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rtsep.audio import wav
from rtsep.audio.file import AudioSink, AudioSource
from rtsep.audio.pipe import PipeClosed
from rtsep.errors import AudioFileError


def noise(count: int, channels: int) -> NDArray[np.float32]:
    return np.random.default_rng(count).uniform(-0.9, 0.9, (count, channels)).astype(np.float32)


def read_all(source: AudioSource, size: int = 1000) -> NDArray[np.float32]:
    with source:
        return np.concatenate(list(source.blocks(size)))


@pytest.mark.parametrize(("name", "tolerance"), [("a.wav", 2e-7), ("a.flac", 2e-7), ("A.WAV", 2e-7)])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read_back(tmp_path: Path, name: str, tolerance: float, channels: int) -> None:
    samples = noise(5001, channels)
    with AudioSink(tmp_path / name, 44100, channels) as sink:
        for start in range(0, 5001, 777):
            sink.write(samples[start : start + 777])
    assert sink.samples_written == 5001
    source = AudioSource(tmp_path / name)
    assert (source.sample_rate, source.channels, source.length) == (44100, channels, 5001)
    assert np.abs(read_all(source) - samples).max() < tolerance


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3", "a.opus"])
def test_lossy_formats_are_written_and_read_in_large_pieces_too(tmp_path: Path, name: str) -> None:
    with AudioSink(tmp_path / name, 48000, 2) as sink:
        sink.write(noise(480000, 2))
    source = AudioSource(tmp_path / name)
    assert source.sample_rate == 48000
    assert abs(len(read_all(source, 65536)) - 480000) < 4000


def test_wav_is_written_with_24_bits_unless_told_otherwise(tmp_path: Path) -> None:
    with AudioSink(tmp_path / "a.wav", 8000, 1), AudioSink(tmp_path / "b.wav", 8000, 1, subtype="FLOAT"):
        pass
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_24"
    assert soundfile.info(tmp_path / "b.wav").subtype == "FLOAT"


@pytest.mark.parametrize(("length", "grows"), [(None, True), (250, False), (10**9, True)])
def test_wav_of_unknown_length_has_room_in_its_header_for_more_than_4_gib(
    tmp_path: Path, length: int | None, grows: bool
) -> None:
    samples = noise(250, 1)
    with AudioSink(tmp_path / "a.wav", 8000, 1, length=length) as sink:
        sink.write(samples)
    head = (tmp_path / "a.wav").read_bytes()[:16]
    assert head[:4] == b"RIFF"
    assert (head[8:] == b"WAVEJUNK") == grows  # of which RF64 takes the place (EBU Tech 3306, section 3.5)
    assert np.abs(soundfile.read(tmp_path / "a.wav")[0] - samples[:, 0]).max() <= 2.0**-23
    if not grows:
        with wave.open(str(tmp_path / "a.wav")) as plain:  # which knows no other form
            assert (plain.getnframes(), plain.getsampwidth()) == (250, 3)


def test_blocks_have_the_size_asked_for_but_for_the_last(tmp_path: Path) -> None:
    with AudioSink(tmp_path / "a.wav", 8000, 1) as sink:
        sink.write(noise(250, 1))
    with AudioSource(tmp_path / "a.wav") as source:
        assert [len(block) for block in source.blocks(100)] == [100, 100, 50]


def test_nan_and_infinity_become_zero_and_are_counted(tmp_path: Path) -> None:
    samples = noise(100, 2)
    samples[3, 0], samples[50, 1], samples[51, 1] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    source = AudioSource(tmp_path / "a.wav")
    output = read_all(source)
    assert source.bad_samples == 3
    assert output[3, 0] == output[50, 1] == output[51, 1] == 0.0
    assert np.isfinite(output).all()


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio at all")
    (tmp_path / "nothing.wav").touch()
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), 8000)
    for name in ("missing.wav", "text.wav", "nothing.wav", "empty.wav", "."):
        with pytest.raises(AudioFileError) as caught:
            AudioSource(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_files_that_cannot_be_written_are_refused_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "a.xyz", tmp_path / "a", tmp_path / "missing" / "a.wav"):
        with pytest.raises(AudioFileError) as caught:
            AudioSink(path, 8000, 1)
        assert "\n" not in str(caught.value)
    with pytest.raises(AudioFileError, match="NONSENSE"):
        AudioSink(tmp_path / "a.wav", 8000, 1, subtype="NONSENSE")


def test_a_format_that_is_refused_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    for name, channels, rate in (("a.mp3", 6, 48_000), ("a.flac", 9, 48_000), ("a.mp3", 1, 768_000)):
        (tmp_path / name).write_bytes(b"precious")
        with pytest.raises(AudioFileError, match="cannot write"):
            AudioSink(tmp_path / name, rate, channels)
        assert (tmp_path / name).read_bytes() == b"precious"


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are Linux's")
def test_a_name_need_not_be_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    samples = noise(100, 1)
    with AudioSink(path, 8000, 1) as sink:
        sink.write(samples)
    assert np.abs(read_all(AudioSource(path)) - samples).max() <= 2e-7


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_stdout_without_room_for_a_header_is_said_in_one_line() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(AudioFileError, match="No space left"),
    ):
        AudioSink("-", 8000, 1, stdout=full)


FULL_DISK = """
import resource, sys
import numpy as np
from rtsep.audio.file import AudioSink
from rtsep.errors import AudioFileError
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
block = np.full((1000, 1), 0.5, np.float32)
try:
    with AudioSink(sys.argv[1], 8000, 1) as sink:
        while True:
            sink.write(block)
except AudioFileError as error:
    print(sink.samples_written, error, file=sys.stderr)
"""


@pytest.mark.parametrize("stdout", [False, True])
def test_a_full_disk_leaves_a_valid_file_with_what_was_written(tmp_path: Path, stdout: bool) -> None:
    pytest.importorskip("resource", reason="Windows cannot be told to refuse large files")
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        command = [sys.executable, "-c", FULL_DISK, "-" if stdout else str(path)]
        done = subprocess.run(
            command, check=True, stdout=file if stdout else None, stderr=subprocess.PIPE, text=True
        )
    written, message = done.stderr.strip().split(" ", 1)
    assert "s are safe" in message
    assert "\n" not in message
    samples, _ = soundfile.read(path)
    assert 40_000 < int(written) * (4 / 3 if stdout else 1) <= 67_000
    assert len(samples) >= int(written)
    assert np.abs(samples[: int(written)] - 0.5).max() < 1e-6


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("FLOAT", 0), ("DOUBLE", 0), ("PCM_16", 4e-5), ("PCM_24", 2e-7), ("PCM_32", 1e-7), ("PCM_U8", 0.01)],
)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_wav_on_stdin_is_read_whatever_its_encoding(subtype: str, tolerance: float, form: str) -> None:
    samples = noise(1234, 2)
    file = BytesIO()
    soundfile.write(file, samples, 22050, format=form, subtype=subtype)
    file.seek(0)
    source = AudioSource("-", stdin=file)
    assert (source.sample_rate, source.channels, source.length) == (22050, 2, 1234)
    assert np.abs(read_all(source, 500) - samples).max() <= tolerance


def test_raw_samples_on_stdin_need_a_rate_and_channels() -> None:
    samples = noise(301, 2)
    source = AudioSource("-", sample_rate=16000, channels=2, stdin=BytesIO(samples.tobytes() + b"\0\0\0"))
    assert source.length is None
    assert np.array_equal(read_all(source, 100), samples)
    integers = np.arange(-300, 300, dtype="<i2")
    source = AudioSource(
        "-", sample_rate=16000, channels=1, encoding="s16", stdin=BytesIO(integers.tobytes())
    )
    assert np.array_equal(read_all(source, 1)[:, 0] * 32768, integers)
    with pytest.raises(AudioFileError, match="--device-rate and --channels"):
        AudioSource("-", stdin=BytesIO(samples.tobytes()))


def test_empty_or_broken_streams_are_refused() -> None:
    header = wav.header(8000, 1)
    for data in (b"", header[:20], b"RIFF\0\0\0\0AVI ", header.replace(struct.pack("<H", 32), b"\x07\0")):
        with pytest.raises(AudioFileError):
            AudioSource("-", stdin=BytesIO(data))
    with pytest.raises(AudioFileError, match="holds no samples"):
        read_all(AudioSource("-", stdin=BytesIO(header)))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_length_that_sox_gives_a_pipe_is_none(channels: int) -> None:
    sample = 4 * channels
    said = 0x7FFFF000 // sample * sample  # as sox rounds it
    header = bytearray(wav.header(8000, channels))
    header[-4:] = struct.pack("<I", said)
    assert AudioSource("-", stdin=BytesIO(bytes(header))).length is None
    header[-4:] = struct.pack("<I", said - sample)
    assert AudioSource("-", stdin=BytesIO(bytes(header))).length == said // sample - 1


def test_a_stream_through_a_real_pipe_comes_through_whole() -> None:
    samples = noise(30000, 2)
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as stream, AudioSink("-", 48000, 2, stdout=stream) as sink:
            sink.write(samples)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as stream:
        source = AudioSource("-", stdin=stream)
        assert (source.sample_rate, source.channels, source.length) == (48000, 2, None)
        assert np.array_equal(read_all(source, 4096), samples)
    writer.join()


def test_stdout_that_is_a_file_gets_the_sizes_of_its_header(tmp_path: Path) -> None:
    samples = noise(500, 1)
    with (tmp_path / "a.wav").open("wb") as stream, AudioSink("-", 8000, 1, stdout=stream) as sink:
        sink.write(samples)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.frames, info.subtype, info.samplerate) == (500, "FLOAT", 8000)
    size = (tmp_path / "a.wav").stat().st_size
    assert struct.unpack("<I", (tmp_path / "a.wav").read_bytes()[4:8])[0] == size - 8


def test_raw_output_is_the_samples_and_nothing_else() -> None:
    stream = BytesIO()
    with AudioSink("-", 8000, 2, raw=True, stdout=stream) as sink:
        sink.write(noise(10, 2))
    assert stream.getvalue() == noise(10, 2).tobytes()


def test_a_closed_pipe_is_told_from_an_error() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = AudioSink("-", 8000, 1, stdout=stream)
        os.close(reading)
        with pytest.raises(PipeClosed):
            sink.write(noise(100_000, 1))
        sink.close()
    assert sink.samples_written == 0

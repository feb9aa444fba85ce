"""Audio files and pipes: (n, channels) float32 in blocks, by libsndfile or from stdin and to stdout."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtsep.audio.pipe import PipeReader, PipeWriter
from rtsep.errors import AudioFileError

RawEncoding = Literal["f32", "s16"]

_SUBTYPES = {"WAV": "PCM_24", "FLAC": "PCM_24", "AIFF": "PCM_24", "RF64": "PCM_24", "W64": "PCM_24"}
"""Better than the 16 bits libsndfile takes of itself; other formats keep its default."""

_SLICE = 16384
"""Samples written at once: libsndfile's Vorbis encoder keeps a whole write on the stack."""


class _Reader(Protocol):
    sample_rate: int
    channels: int
    length: int | None

    def read(self, count: int) -> NDArray[np.float32]: ...

    def close(self) -> None: ...


class _Writer(Protocol):
    def write(self, samples: NDArray[np.float32]) -> None: ...

    def close(self) -> None: ...


class AudioSource:
    """Reads a file, or stdin; a context manager.

    Attributes: ``sample_rate``, ``channels``, ``length`` (samples, None if only the end will tell) and
    ``bad_samples``, the NaN and infinite values met so far, which come out as zero.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        encoding: RawEncoding = "f32",
        stdin: BinaryIO | None = None,
    ) -> None:
        """Open it.

        Args:
            path: any file libsndfile reads, or ``-`` for stdin: WAV, or raw interleaved samples.
            sample_rate: of raw samples; a header has its own.
            channels: of raw samples; a header has its own.
            encoding: of raw samples, little-endian.
            stdin: read instead of the process's stdin.

        Raises:
            AudioFileError: when it cannot be read or holds nothing.
        """
        self._reader: _Reader
        if str(path) == "-":
            self._reader = PipeReader(stdin, sample_rate, channels, encoding)
        else:
            self._reader = _FileReader(Path(path))
        self.sample_rate = self._reader.sample_rate
        self.channels = self._reader.channels
        self.length = self._reader.length
        self.bad_samples = 0

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Blocks of ``size`` samples, (n, channels), the last one shorter.

        Raises:
            AudioFileError: when the file turns out to be damaged, or stdin empty.
        """
        while len(block := self._reader.read(size)):
            bad = ~np.isfinite(block)
            if bad.any():
                self.bad_samples += int(bad.sum())
                block[bad] = 0.0
            yield block

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        """The source itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class AudioSink:
    """Writes a file, or WAV or raw float32 to stdout; a context manager, and closing finalises the file.

    ``samples_written`` counts what is safely in it. When the disk is full the file stays valid with
    that much; close it as usual.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        channels: int,
        *,
        subtype: str | None = None,
        raw: bool = False,
        stdout: BinaryIO | None = None,
    ) -> None:
        """Open it; an existing file is overwritten.

        Args:
            path: its extension names the format (wav, flac, ogg, mp3, ...); ``-`` is stdout.
            sample_rate: samples a second.
            channels: of what is written.
            subtype: libsndfile's name of the encoding, such as ``FLOAT``; WAV and FLAC take
                ``PCM_24`` when None, the others libsndfile's default.
            raw: samples without a header, on stdout only.
            stdout: write there instead of the process's stdout.

        Raises:
            AudioFileError: when the format is unknown or the file cannot be made.
        """
        self.sample_rate = sample_rate
        self.channels = channels
        self.samples_written = 0
        self._writer: _Writer
        if str(path) == "-":
            self._writer = PipeWriter(stdout, sample_rate, channels, raw)
        else:
            self._writer = _FileWriter(Path(path), sample_rate, channels, subtype)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append (n, channels) samples.

        Raises:
            AudioFileError: when the disk is full, saying how many seconds are safe.
            PipeClosed: when the reader of stdout has gone.
        """
        for start in range(0, len(samples), _SLICE):
            piece = samples[start : start + _SLICE]
            try:
                self._writer.write(piece)
            except OSError as error:
                safe = f"{self.samples_written / self.sample_rate:.2f} s are safe"
                raise AudioFileError(
                    f"cannot go on writing ({error}): {safe}, make room and run again"
                ) from error
            self.samples_written += len(piece)

    def close(self) -> None:
        """Finalise and close; a second time does nothing.

        Raises:
            AudioFileError: when the last samples could not be written.
        """
        try:
            self._writer.close()
        except OSError as error:
            raise AudioFileError(f"cannot finish writing ({error}): make room and run again") from error

    def __enter__(self) -> Self:
        """The sink itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finalise and close."""
        self.close()


class _FileReader:
    """A file through libsndfile."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise AudioFileError(f"no such audio file: {path}")
        try:
            self._file = soundfile.SoundFile(path)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"cannot read {path} as audio: {error.error_string}") from error
        self._path = path
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.length: int | None = self._file.frames
        if self.length == 0:
            self._file.close()
            raise AudioFileError(f"{path} holds no samples: choose another file")

    def read(self, count: int) -> NDArray[np.float32]:
        try:
            samples: NDArray[np.float32] = self._file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{self._path} is damaged: {error.error_string}") from error
        return samples

    def close(self) -> None:
        self._file.close()


class _FileWriter:
    """A file through libsndfile; its errors come out as OSError."""

    def __init__(self, path: Path, sample_rate: int, channels: int, subtype: str | None) -> None:
        form = path.suffix.lstrip(".").upper()
        form = {"AIF": "AIFF", "OPUS": "OGG"}.get(form, form)
        known = soundfile.available_formats()
        if form not in known or form == "RAW":
            raise AudioFileError(f"unknown format of {path}: end it in .wav, .flac, .ogg or .mp3")
        if path.suffix.lower() == ".opus":
            subtype = subtype or "OPUS"
        settings: dict[str, Any] = {"format": form, "subtype": subtype or _SUBTYPES.get(form)}
        try:
            self._file = soundfile.SoundFile(path, "w", sample_rate, channels, **settings)
        except soundfile.LibsndfileError as error:
            said = f"{channels} channels at {sample_rate} Hz: {error.error_string}"
            raise AudioFileError(f"cannot write {path}, {said}") from error
        except (ValueError, TypeError) as error:
            raise AudioFileError(f"cannot write {path} as {subtype}: {error}") from error

    def write(self, samples: NDArray[np.float32]) -> None:
        try:
            self._file.write(samples)
        except soundfile.LibsndfileError as error:
            raise OSError(error.error_string) from error
        except AssertionError as error:
            # How soundfile says that libsndfile took fewer samples than it was given.
            raise OSError("no space left") from error

    def close(self) -> None:
        self._file.close()

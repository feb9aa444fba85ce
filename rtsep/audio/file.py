"""Audio files and pipes: (n, channels) float32 in blocks, by libsndfile or from stdin and to stdout."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rtsep.audio.libsndfile import FileReader, FileWriter
from rtsep.audio.pipe import PipeReader, PipeWriter
from rtsep.errors import AudioFileError

RawEncoding = Literal["f32", "s16"]

_SLICE = 16384
"""Samples written at once: libsndfile's Vorbis encoder keeps a whole write on the stack."""


def same_file(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, which need not be there yet; a pipe, ``-``, is none."""
    if "-" in (str(one), str(other)):
        return False
    first, second = Path(one), Path(other)
    try:
        return first.resolve() == second.resolve() or first.samefile(second)
    except OSError:  # one of them is not there
        return False


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
            self._reader = FileReader(Path(path))
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
        length: int | None = None,
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
            length: samples that are to come, where that is known: WAV is then not made to grow beyond 4 GiB.

        Raises:
            AudioFileError: when the format is unknown or the file cannot be made.
        """
        self.sample_rate = sample_rate
        self.channels = channels
        self.samples_written = 0
        self._writer: _Writer
        if str(path) == "-":
            try:
                self._writer = PipeWriter(stdout, sample_rate, channels, raw)
            except OSError as error:
                raise AudioFileError(f"cannot write to stdout: {error.strerror}") from error
        else:
            self._writer = FileWriter(Path(path), sample_rate, channels, subtype, length)

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
        """Finalise and close; what went wrong before is not hidden by what goes wrong now."""
        with contextlib.suppress(AudioFileError) if error else contextlib.nullcontext():
            self.close()

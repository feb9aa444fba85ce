"""Audio on stdin and stdout."""

import contextlib
import errno
import os
import sys
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rtsep.audio import wav
from rtsep.errors import AudioFileError


class PipeClosed(Exception):  # noqa: N818 (no error: the reader has had enough)
    """Whoever read our stdout has gone (``| head``): end quietly, with nothing to report."""


class PipeReader:
    """WAV, told by its RIFF header, or raw interleaved samples."""

    def __init__(
        self, stream: BinaryIO | None, sample_rate: int | None, channels: int | None, encoding: wav.Encoding
    ) -> None:
        """Read as much as it takes to know the format.

        Raises:
            AudioFileError: when the stream is empty, or raw without a rate and channels.
        """
        self._stream = stream or sys.stdin.buffer
        start = wav.take(self._stream, 4)
        if not start:
            raise AudioFileError("stdin is empty: send WAV or raw samples")
        if start in (b"RIFF", b"RF64"):
            self._start = BytesIO()
            self._format = wav.read_header(self._stream)
        elif sample_rate is None or channels is None:
            raise AudioFileError(
                "stdin has no WAV header: say --device-rate and --channels of its raw samples"
            )
        else:
            self._start = BytesIO(start)
            self._format = wav.StreamFormat(sample_rate, channels, encoding)
        self.sample_rate = self._format.sample_rate
        self.channels = self._format.channels
        self.length = self._format.length
        self._left = self._format.length
        self._seen = False

    def read(self, count: int) -> NDArray[np.float32]:
        """The next ``count`` samples, fewer at the end; an incomplete last sample is left out.

        Raises:
            AudioFileError: when the stream holds none at all.
        """
        wanted = count if self._left is None else min(count, self._left)
        size = self._format.sample_bytes
        data = self._start.read(wanted * size)
        data += wav.take(self._stream, wanted * size - len(data))
        samples = wav.decode(data[: len(data) // size * size], self._format)
        if self._left is not None:
            self._left -= len(samples)
        if len(samples) == 0 and count > 0 and not self._seen:
            raise AudioFileError("stdin holds no samples: send WAV or raw samples")
        self._seen = True
        return samples

    def close(self) -> None:
        """Nothing: stdin belongs to the process."""


class PipeWriter:
    """32-bit float WAV of unknown length, or the same samples raw.

    Where stdout is a file after all (``> out.wav``), the header gets its sizes at the end.
    """

    def __init__(self, stream: BinaryIO | None, sample_rate: int, channels: int, raw: bool) -> None:
        """Write the header.

        Raises:
            PipeClosed: when the reader has gone already.
        """
        # A descriptor of our own, unbuffered: what a closed pipe leaves in Python's buffer would be
        # complained about when the interpreter exits.
        self._stream = stream or os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        self._own = stream is None
        self._sample_rate, self._channels, self._raw = sample_rate, channels, raw
        self._written = 0
        self._begin = self._stream.tell() if self._stream.seekable() else None
        self._open = True
        if not raw:
            self._put(wav.header(sample_rate, channels))

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append (n, channels) samples.

        Raises:
            PipeClosed: when the reader has gone.
            OSError: when the disk behind stdout is full.
        """
        self._put(np.ascontiguousarray(samples, "<f4").tobytes())
        self._written += len(samples)

    def close(self) -> None:
        """Give a header in a file its sizes, and let go of the descriptor; a second time does nothing."""
        if not self._open:
            return
        self._open = False
        try:
            if self._begin is not None and not self._raw:
                end = self._stream.tell()
                self._stream.seek(self._begin)
                self._put(wav.header(self._sample_rate, self._channels, self._written))
                self._stream.seek(end)
            with contextlib.suppress(BrokenPipeError):
                self._stream.flush()
        finally:
            if self._own:
                self._stream.close()

    def _put(self, data: bytes) -> None:
        """Write all of it: an unbuffered stream may take less at a time."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            if isinstance(error, BrokenPipeError) or _closed_on_windows(error):
                raise PipeClosed from error
            raise


def _closed_on_windows(error: OSError) -> bool:
    """Windows calls a pipe whose reader has gone an invalid argument (Python's issue 79935)."""
    return sys.platform == "win32" and error.errno == errno.EINVAL

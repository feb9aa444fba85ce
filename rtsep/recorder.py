"""Input and output written to files while they sound, beside the audio thread."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

from rtsep.audio.contract import Samples
from rtsep.audio.file import AudioSink
from rtsep.errors import AudioFileError

logger = logging.getLogger(__name__)

FLAC_CHANNELS = 8
"""The most that FLAC takes."""


class Recorder:
    """Two FLAC files, ``input.flac`` and ``output.flac``, that begin at the same sample of the input.

    One with more channels than FLAC takes is a WAV file.

    ``put`` and ``finish`` are the audio worker's: they only hand over. The files are written by a thread
    of the recorder's own, which ``close`` waits for.

    Args:
        folder: made if it is not there.
        sample_rate: of both.
        channels_in: of the input.
        channels_out: of the output.

    Raises:
        AudioFileError: the files cannot be made.
    """

    def __init__(self, folder: Path, sample_rate: int, channels_in: int, channels_out: int) -> None:
        self.folder = folder
        self.failure: AudioFileError | None = None
        """What ended the recording early, such as a full disk; what was written until then is valid."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(f"cannot make the folder {folder} ({error.strerror})") from error
        widths = {"input": channels_in, "output": channels_out}
        self._paths = [
            folder / f"{name}.{'flac' if width <= FLAC_CHANNELS else 'wav'}" for name, width in widths.items()
        ]
        try:
            with ExitStack() as opened:  # closed again if one of them cannot be made
                self._sinks = [
                    opened.enter_context(AudioSink(path, sample_rate, width))
                    for path, width in zip(self._paths, widths.values(), strict=True)
                ]
                opened.pop_all()
        except AudioFileError:
            for path in self._paths:
                path.unlink(missing_ok=True)
            with suppress(OSError):  # somebody else's files are in it
                folder.rmdir()
            raise
        self._first: int | None = None
        self._handed: SimpleQueue[tuple[Samples, Samples] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="rtsep-recorder")
        self._thread.start()

    def put(self, received: int, samples: Samples, given: int, output: Samples) -> None:
        """Hand over one step of the worker.

        Args:
            received: samples of input before these.
            samples: (n, channels_in).
            given: samples of output before these.
            output: (m, channels_out).
        """
        if self._first is None:
            self._first = received
        self._handed.put((samples, output[max(0, self._first - given) :]))

    def finish(self) -> None:
        """No more will come."""
        self._handed.put(None)

    def close(self) -> None:
        """Wait until everything is written, and finalise both files."""
        self.finish()
        self._thread.join()

    def _write(self) -> None:
        try:
            while (step := self._handed.get()) is not None:
                for sink, samples in zip(self._sinks, step, strict=True):
                    sink.write(samples)
        except AudioFileError as error:
            self._fail(error)
            while self._handed.get() is not None:
                pass
        finally:
            for path, sink in zip(self._paths, self._sinks, strict=True):
                try:
                    sink.close()
                except AudioFileError as error:
                    self._fail(error)
                if not sink.samples_written:  # libsndfile leaves an empty file, which nothing can read
                    path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty, as nearly always
                self.folder.rmdir()

    def _fail(self, error: AudioFileError) -> None:
        """Keep and tell the first thing that went wrong."""
        if self.failure is None:
            self.failure = error
            logger.warning("recording to %s stopped: %s", self.folder, error)


class Takes:
    """The recordings of an engine, one after the other; ``fault`` may be asked for in any thread.

    Args:
        folder: each is a folder in there, called by the time it began.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: Recorder | None = None
        self._on = False

    @property
    def fault(self) -> str:
        """What ended the last one early, until the next; empty if nothing did."""
        last = self._last
        if last is None or last.failure is None:
            return ""
        return f"recording to {last.folder} stopped: {last.failure}"

    def begin(self, sample_rate: int, channels_in: int, channels_out: int) -> Recorder | None:
        """A recorder for one more; None if one is under way.

        Raises:
            AudioFileError: the files cannot be made.
        """
        if self._last is not None and self._on:
            if self._last.failure is None:
                return None
            self._last.finish()
            self._on = False
        folder = _unused(self._folder, f"{datetime.now().astimezone():%Y-%m-%d %H.%M.%S}")
        self._last = Recorder(folder, sample_rate, channels_in, channels_out)
        self._on = True
        return self._last

    def end(self) -> bool:
        """Whether one was under way, which its owner is to finish."""
        ended, self._on = self._on, False
        return ended

    def close(self) -> None:
        """Wait until the last one is written."""
        if self._last is not None:
            self._last.close()


def _unused(folder: Path, name: str) -> Path:
    """A folder that is not there yet, called so, or so with a number."""
    names = (name, *(f"{name} ({number})" for number in range(2, 1000)))
    return next(path for path in map(folder.joinpath, names) if not path.exists())

"""What ``--input`` and ``--output`` mean: a file, a pipe or a device, opened."""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from rtsep.audio.contract import Samples
from rtsep.audio.device import find_device
from rtsep.audio.file import AudioSink, AudioSource, same_file
from rtsep.audio.live import LiveSink, LiveSource
from rtsep.config import RunSettings
from rtsep.control import AFTER, Console
from rtsep.errors import AudioFileError, ConfigError


def is_file(text: str | None) -> bool:
    """Whether an ``--input`` or ``--output`` means a file or pipe, rather than a device."""
    if text is None:
        return False
    suffix = Path(text).suffix.lstrip(".").upper()
    known = {*soundfile.available_formats(), "AIF", "OPUS"}
    return text == "-" or suffix in known or text.endswith(("/", os.sep)) or _exists(text)


def _exists(text: str) -> bool:
    """Whether there is such a file; what cannot be one, being too long or out of reach, is none."""
    try:
        return Path(text).exists()
    except OSError:
        return False


def _is_folder(text: str) -> bool:
    return text.endswith(("/", os.sep)) or (_exists(text) and Path(text).is_dir())


def check_ends(settings: RunSettings, json_file: Path | None) -> None:
    """Refuse what would destroy something, or wait for ever, before anything is opened.

    Raises:
        ConfigError: two of input, output and report are the same file, or a pipe is a terminal.
    """
    if settings.input == "-" and sys.stdin.isatty():
        raise ConfigError("--input - is a terminal: pipe sound into it, or name a file or device")
    if settings.output == "-" and sys.stdout.isatty():
        raise ConfigError("--output - is a terminal: pipe it on, or name a file or device")
    if settings.raw and settings.output != "-":
        raise ConfigError("--raw is for --output -: files say their format by their ending")
    if settings.output is not None and _is_folder(settings.output) and not settings.stems:
        raise ConfigError(f"--output {settings.output} is a folder: name a file in it, or ask for --stems")
    if settings.stems and any(spec.place == AFTER for spec in settings.inserts):
        raise ConfigError("--stems makes no sum that an insert could be on: put it on a strip (prompt/1:...)")
    seen: dict[str, str] = {}
    for flag, text in (("--input", settings.input), ("--output", settings.output), ("--json", json_file)):
        if text is None or text == "-" or (flag != "--json" and not is_file(str(text))):
            continue
        for other, other_flag in seen.items():
            if same_file(other, text):
                raise ConfigError(
                    f"{other_flag} and {flag} are the same file {text}: name another for {flag}"
                )
        seen[str(text)] = flag


def open_source(settings: RunSettings) -> AudioSource | LiveSource:
    """The input."""
    if settings.input is not None and is_file(settings.input):
        return AudioSource(settings.input, sample_rate=settings.device_rate, channels=settings.channels)
    found = find_device(settings.input, "input")
    return LiveSource(found, settings.device_rate, settings.channels or 1, settings.block)


def open_sink(
    settings: RunSettings, sample_rate: int, channels: int, console: Console, length: int | None = None
) -> AudioSink | LiveSink | StemFiles:
    """The output, for (n, outputs * channels) samples, ``length`` in all where that is known."""
    stems = stem_count(settings, console)
    width = (stems + 1) * channels
    if settings.output is not None and _is_folder(settings.output):
        return StemFiles(Path(settings.output), sample_rate, channels, console, stems, settings.input, length)
    if settings.output is not None and is_file(settings.output):
        return AudioSink(settings.output, sample_rate, width, raw=settings.raw, length=length)
    return LiveSink(find_device(settings.output, "output"), sample_rate, width, settings.block)


def stem_count(settings: RunSettings, console: Console) -> int:
    """Strips that get an output of their own, beside everything else; 0 where all is mixed into one."""
    return console.used[-1] + 1 if settings.stems and console.used else 0


class StemFiles:
    """One WAV file for each strip, called by its number and words, and one for everything else.

    Args:
        folder: made if it is not there.
        sample_rate: of all.
        channels: of each.
        console: whose strips are written.
        stems: the first so many.
        source: what is read meanwhile, and must not be written over.
        length: samples that are to come, where that is known.

    Raises:
        AudioFileError: a file cannot be made.
        ConfigError: one of them is the source.
    """

    def __init__(
        self,
        folder: Path,
        sample_rate: int,
        channels: int,
        console: Console,
        stems: int,
        source: str | None = None,
        length: int | None = None,
    ) -> None:
        names = [f"{number} {_as_name(console.strips[number - 1].text)}" for number in range(1, stems + 1)]
        paths = [folder / f"{name.strip()}.wav" for name in (*names, "everything else")]
        for path in paths:
            if source is not None and same_file(source, path):
                raise ConfigError(f"--input {source} would be written over: name another folder for --output")
        self.channels = channels
        self._open = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioFileError(f"cannot make the folder {folder} ({error.strerror})") from error
        with ExitStack() as opened:  # closed again if one of them cannot be made
            self._sinks = [
                opened.enter_context(AudioSink(path, sample_rate, channels, length=length)) for path in paths
            ]
            self._open = opened.pop_all()

    def write(self, samples: Samples) -> None:
        """Append (n, outputs * channels) samples.

        Raises:
            AudioFileError: the disk is full.
        """
        for number, sink in enumerate(self._sinks):
            sink.write(samples[:, number * self.channels : (number + 1) * self.channels])

    def __enter__(self) -> Self:
        """The sink itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finalise every file."""
        self._open.__exit__(kind, error, trace)


def _as_name(words: str) -> str:
    """Words as part of a file's name on any system."""
    return re.sub(r"[^\w .+-]", "", words)[:60]


def as_channels(block: Samples, channels: int) -> Samples:
    """Mix down to one channel, or spread one over two, where the user asked for another number."""
    if block.shape[1] == channels:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)

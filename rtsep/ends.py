"""What ``--input`` and ``--output`` mean: a file, a pipe or a device, opened."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from rtsep.audio.device import find_device
from rtsep.audio.file import AudioSink, AudioSource
from rtsep.audio.live import LiveSink, LiveSource
from rtsep.config import RunSettings
from rtsep.errors import ConfigError
from rtsep.pipeline import Samples


def is_file(text: str | None) -> bool:
    """Whether an ``--input`` or ``--output`` means a file or pipe, rather than a device."""
    if text is None:
        return False
    suffix = Path(text).suffix.lstrip(".").upper()
    known = {*soundfile.available_formats(), "AIF", "OPUS"}
    return text == "-" or suffix in known or Path(text).is_file()


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
    seen: dict[Path, str] = {}
    for flag, text in (("--input", settings.input), ("--output", settings.output), ("--json", json_file)):
        if text is None or text == "-" or (flag != "--json" and not is_file(str(text))):
            continue
        path = Path(text).resolve()
        for other, other_flag in seen.items():
            if path == other or (path.exists() and other.exists() and path.samefile(other)):
                raise ConfigError(
                    f"{other_flag} and {flag} are the same file {text}: name another for {flag}"
                )
        seen[path] = flag


def open_source(settings: RunSettings) -> AudioSource | LiveSource:
    """The input."""
    if settings.input is not None and is_file(settings.input):
        return AudioSource(settings.input, sample_rate=settings.device_rate, channels=settings.channels)
    found = find_device(settings.input, "input")
    return LiveSource(found, settings.device_rate, settings.channels or 1, settings.block)


def open_sink(settings: RunSettings, sample_rate: int, channels: int) -> AudioSink | LiveSink:
    """The output, for (n, channels) samples."""
    if settings.output is not None and is_file(settings.output):
        return AudioSink(settings.output, sample_rate, channels, raw=settings.raw)
    return LiveSink(find_device(settings.output, "output"), sample_rate, channels, settings.block)


def as_channels(block: Samples, channels: int) -> Samples:
    """Mix down to one channel, or spread one over two, where the user asked for another number."""
    if block.shape[1] == channels:
        return block
    return np.repeat(block.mean(axis=1, keepdims=True), channels, axis=1)

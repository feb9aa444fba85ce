"""Audio files through libsndfile, with errors in words."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtsep.errors import AudioFileError

_SUBTYPES = {"WAV": "PCM_24", "FLAC": "PCM_24", "AIFF": "PCM_24", "RF64": "PCM_24", "W64": "PCM_24"}
"""Better than the 16 bits libsndfile takes of itself; other formats keep its default."""

_SHRINK_RF64 = 0x1210
"""libsndfile's SFC_RF64_AUTO_DOWNGRADE: what stays below 4 GiB ends as (extensible) WAV."""

_LARGEST_WAV, _WIDEST = 4_000_000_000, 8
"""Bytes of all samples, and of one at most."""


def _name(path: Path) -> str | bytes:
    """A path as libsndfile takes it, whose names need not be UTF-8 where the system's need not."""
    return str(path) if os.name == "nt" else os.fsencode(path)


class FileReader:
    """A file to read; ``sample_rate``, ``channels`` and ``length`` are those of its header."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            AudioFileError: when it is not there, not audio, or holds no samples.
        """
        if not path.exists() or path.is_dir():
            raise AudioFileError(f"no such audio file: {path}")
        try:
            self._file = soundfile.SoundFile(_name(path))
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
        """The next ``count`` samples, (n, channels), fewer at the end.

        Raises:
            AudioFileError: when the file is damaged.
        """
        try:
            samples: NDArray[np.float32] = self._file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{self._path} is damaged: {error.error_string}") from error
        return samples

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class FileWriter:
    """A file to write."""

    def __init__(
        self, path: Path, sample_rate: int, channels: int, subtype: str | None, length: int | None = None
    ) -> None:
        """Make it, in the format its extension names.

        A WAV file ends at 4 GiB: one of unknown length is begun so that it can go on as RF64.

        Raises:
            AudioFileError: when the format is unknown, does not fit, or the file cannot be made.
        """
        form = path.suffix.lstrip(".").upper()
        form = {"AIF": "AIFF", "OPUS": "OGG"}.get(form, form)
        known = soundfile.available_formats()
        if form not in known or form == "RAW":
            raise AudioFileError(f"unknown format of {path}: end it in .wav, .flac, .ogg or .mp3")
        if path.suffix.lower() == ".opus":
            subtype = subtype or "OPUS"
        subtype = subtype or _SUBTYPES.get(form)
        large = length is None or length * channels * _WIDEST > _LARGEST_WAV
        grows = form == "WAV" and large and subtype is not None and soundfile.check_format("RF64", subtype)
        settings: dict[str, Any] = {"format": "RF64" if grows else form, "subtype": subtype}
        try:
            # What libsndfile refuses it has emptied before: let it refuse elsewhere.
            with TemporaryDirectory() as folder:
                soundfile.SoundFile(Path(folder, "probe"), "w", sample_rate, channels, **settings).close()
            self._file = soundfile.SoundFile(_name(path), "w", sample_rate, channels, **settings)
            if grows:
                soundfile._snd.sf_command(self._file._file, _SHRINK_RF64, soundfile._ffi.NULL, 1)
        except soundfile.LibsndfileError as error:
            said = f"{channels} channels at {sample_rate} Hz: {error.error_string}"
            raise AudioFileError(f"cannot write {path}, {said}") from error
        except (ValueError, TypeError) as error:
            raise AudioFileError(f"cannot write {path} as {subtype}: {error}") from error

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append (n, channels) samples.

        Raises:
            OSError: when the disk is full.
        """
        try:
            self._file.write(samples)
        except soundfile.LibsndfileError as error:
            raise OSError(error.error_string) from error
        except AssertionError as error:
            # How soundfile says that libsndfile took fewer samples than it was given.
            raise OSError("no space left") from error

    def close(self) -> None:
        """Finalise and close; a second time does nothing.

        Raises:
            OSError: when the disk is full.
        """
        try:
            self._file.close()
        except soundfile.LibsndfileError as error:
            raise OSError(error.error_string) from error

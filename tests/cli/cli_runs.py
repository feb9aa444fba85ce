"""Command lines as a user writes them; in this process, but where signals and pipes matter."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

PROMPT = ("run", "--prompt", "dog barking")


class Ended(NamedTuple):
    """What came of one."""

    code: int
    said: str


Run = Callable[..., Ended]


def command(home: Path, *arguments: object) -> list[str]:
    start = [sys.executable, "-c", "from rtsep.cli import main; main()", *PROMPT, "--bundle", home / "bundle"]
    return [str(word) for word in (*start, *arguments)]


def write(path: Path, samples: NDArray[np.float32], rate: int = 48_000, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def read(path: Path) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples

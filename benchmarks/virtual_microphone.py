"""The noise-free microphone of docs/studio.md, end to end on PipeWire without a sound card.

dbus-run-session python benchmarks/virtual_microphone.py --json microphone.json

Needs pipewire, wireplumber, pipewire-pulse, pipewire-jack and pulseaudio-utils. A sink stands for the room,
its monitor for the microphone in it; a program of PulseAudio's records from the source, as a call would.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

RATE, SECONDS = 48_000, 16
SERVERS = ("pipewire", "wireplumber", "pipewire-pulse")
MODULES = (
    ["module-null-sink", "sink_name=room", "channel_map=mono"],
    ["module-null-sink", "sink_name=noise-free", "media.class=Audio/Source/Virtual", "channel_map=mono"],
)


def main() -> None:
    """Run, print a table, write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, pipewire(Path(folder)):
        report = {name: measure(name, Path(folder)) for name in ("passthrough", "spectral-gate")}
    table = Table("separator", *next(iter(report.values())))
    for name, figures in report.items():
        table.add_row(name, *(str(value) for value in figures.values()))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def pipewire(folder: Path) -> Iterator[None]:
    """Servers of our own, with a room and a virtual source."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    folder.chmod(0o700)
    with contextlib.ExitStack() as stack:
        for name in SERVERS:
            server = subprocess.Popen([name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.terminate)
            time.sleep(2)
        for module in MODULES:
            subprocess.run(["pactl", "load-module", *module], check=True, stdout=subprocess.DEVNULL)
        yield


def measure(separator: str, folder: Path) -> dict[str, Any]:
    """Play tones in noise into the room; compare what the source gives."""
    tones, noise = mixture()
    soundfile.write(folder / "room.wav", tones + noise, RATE, "FLOAT")
    heard_file, report_file = folder / "heard.wav", folder / "report.json"
    line = ["pw-jack", sys.executable, "-m", "rtsep", "run", "--separator", separator, "-p", "sound"]
    line += ["--input", "room", "--output", "noise-free", "--json", str(report_file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as rtsep:
        _wait_for_ports()
        record = ["parec", "-d", "noise-free", "--file-format=wav", "--format=float32le", "--channels=1"]
        with subprocess.Popen([*record, f"--rate={RATE}", str(heard_file)]) as call:
            time.sleep(1)
            subprocess.run(["paplay", "--device=room", str(folder / "room.wav")], check=True)
            time.sleep(1)
            call.terminate()
        rtsep.send_signal(2)
        rtsep.communicate()
    heard = soundfile.read(heard_file, dtype="float32")[0]
    return figures(tones, noise, heard) | {"dropouts": json.loads(report_file.read_text())["dropouts"]}


def figures(
    tones: NDArray[np.float32], noise: NDArray[np.float32], heard: NDArray[np.float32]
) -> dict[str, Any]:
    """Level between the tones and in them, over the second half, input against what was heard."""
    size = 2 ** (len(tones) + len(heard)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(tones + noise, size)), size)
    start = int(np.argmax(likeness[: len(heard)]))
    heard = heard[start : start + len(tones)]
    late = np.arange(len(heard)) > RATE * SECONDS // 2
    on = tones[: len(heard)] != 0
    still = ~np.convolve(on, np.ones(RATE // 10), "same").astype(bool)
    before = (tones + noise)[: len(heard)]
    return {
        "noise between tones, dB": round(_db(heard[late & still]) - _db(before[late & still]), 1),
        "tones, dB": round(_db(heard[late & on]) - _db(before[late & on]), 1),
    }


def mixture() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Short tones, and hiss."""
    seconds = np.arange(RATE * SECONDS) / RATE
    tones = 0.3 * np.sin(2 * np.pi * 1000 * seconds) * (seconds % 1.0 < 0.3)
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(seconds))
    return tones.astype(np.float32), noise.astype(np.float32)


def _db(samples: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-20))


def _wait_for_ports() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        listed = subprocess.run(["pw-link", "-l"], capture_output=True, text=True, check=False).stdout
        if "in_0" in listed and "out_0" in listed:
            return
        time.sleep(0.2)
    raise RuntimeError("rtsep has no ports on PipeWire")


if __name__ == "__main__":
    main()

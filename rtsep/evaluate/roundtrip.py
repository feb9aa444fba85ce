"""``rtsep bench roundtrip``: latency declared against latency measured, through a fake device or a cable."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich import print as show
from rich.table import Table

from rtsep.audio.contract import AudioDevice
from rtsep.audio.device import find_devices, open_device
from rtsep.errors import DeviceError
from rtsep.evaluate.latency import lag, measure_latency
from rtsep.models.bundle import load_bundle
from rtsep.models.separator import Separator

RATES = (44_100, 48_000, 96_000)
BLOCKS = (32, 64, 128, 256, 512, 1024, 2048)

BURST_S = 0.25
LISTEN_S = 2.0
"""Sound that is listened for; the burst begins at a quarter of it, when ports are connected."""

FOUND = 0.5
"""How like the burst that what comes back must be, 1 being the same, up to its level."""


def roundtrip_session(
    bundle_name: str, input_text: str | None, output_text: str | None, block: int, json_file: Path | None
) -> None:
    """Measure, show, and write the report if asked to.

    Args:
        bundle_name: the model.
        input_text: device at one end of a cable; with ``output_text`` None as well: the fake device.
        output_text: device at its other end.
        block: samples a callback of a real device, 0 for its own choice.
        json_file: where the report goes.

    Raises:
        DeviceError: nothing comes back through the cable.
    """
    torch.set_num_threads(1)
    separator = load_bundle(bundle_name).separator
    if input_text is None and output_text is None:
        rows = [fake_row(separator, rate, size) for rate in RATES for size in BLOCKS]
    else:
        rows = [cable_row(separator, input_text, output_text, block)]
    table = Table(*(name.replace("_", " ") for name in rows[0]), title="round trip, samples of the device")
    for row in rows:
        table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row.values()))
    show(table)
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def fake_row(separator: Separator, rate: int, block: int) -> dict[str, Any]:
    """A burst of noise through a whole engine on the fake device."""
    declared, measured = measure_latency(separator, rate, block)
    return _row("fake", rate, block, declared, measured)


def cable_row(
    separator: Separator, input_text: str | None, output_text: str | None, block: int
) -> dict[str, Any]:
    """The engine at a device's rate and block, and the way out of the device and in again.

    On JACK the cable is made here, if its tools are installed and nobody has made it.
    """
    ends = find_devices(input_text, output_text)
    before = _ports()
    device = open_device(*ends, block=block)
    try:
        _connect([port for port in _ports() if port not in before])
        rate, block = device.sample_rate, device.block
        declared, measured = measure_latency(separator, rate, block)
        loop = measure_loop(device, 4 * block)
    finally:
        device.stop()
    if loop is None:
        raise DeviceError(f"nothing of what {ends[1]} played was heard by {ends[0]}: connect them by a cable")
    return _row(str(ends[1]), rate, block, declared + sum(device.device_latency_samples), measured + loop)


def measure_loop(device: AudioDevice, prefill: int) -> int | None:
    """Samples from the callback that plays to the one that captures the same; None if nothing comes back.

    Args:
        device: open, not started, its output led to its input.
        prefill: samples between what is captured and what is played; more than the machine may be late.
    """
    rate = device.sample_rate
    burst = 0.2 * np.random.default_rng(0).standard_normal(round(BURST_S * rate)).astype(np.float32)
    sent = np.zeros(round(LISTEN_S * rate), np.float32)
    sent[len(sent) // 4 : len(sent) // 4 + len(burst)] = burst
    heard: list[NDArray[np.float32]] = []
    device.start(prefill)
    count, deadline = 0, time.monotonic() + 5 * LISTEN_S
    while count < len(sent) and time.monotonic() < deadline:
        if device.wait(0.1):
            block = device.read()[:, 0]
            heard.append(block)
            answer = sent[count : count + len(block)]
            device.write(np.pad(answer, (0, len(block) - len(answer)))[:, None])
            count += len(block)
    captured = np.concatenate(heard)[: len(sent)] if heard else sent[:0]
    if len(captured) < len(sent):
        return None
    found = lag(sent, captured)
    start = len(sent) // 4 + found
    back = captured[start : start + len(burst)]
    if len(back) < len(burst) or _likeness(burst, back) < FOUND:
        return None
    return found - prefill


def _likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Cosine of the angle between two signals."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return abs(float(a @ b)) / norm if norm else 0.0


def _row(device: str, rate: int, block: int, declared: int, measured: int) -> dict[str, Any]:
    return {
        "device": device,
        "rate": rate,
        "block": block,
        "declared": declared,
        "measured": measured,
        "difference": measured - declared,
        "ms": 1000 * measured / rate,
    }


def _ports() -> list[str]:
    """Every JACK port; none without JACK's tools or a server."""
    if shutil.which("jack_lsp") is None:
        return []
    return subprocess.run(["jack_lsp"], capture_output=True, text=True, check=False).stdout.split()


def _connect(ours: list[str]) -> None:
    """Lead our first output to our first input, instead of what they were connected to."""
    inputs, outputs = ([port for port in ours if f":{end}_" in port] for end in ("in", "out"))
    if inputs and outputs:
        for port in _ports():
            subprocess.run(["jack_disconnect", port, inputs[0]], capture_output=True, check=False)
        subprocess.run(["jack_connect", outputs[0], inputs[0]], capture_output=True, check=False)

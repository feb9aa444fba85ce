"""``rtsep bench``: streaming exactness, time per hop, arithmetic, latency."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import print as show
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from rtsep.audio.fake import FakeDevice
from rtsep.control import Console
from rtsep.engine import Engine
from rtsep.evaluate.latency import measure_latency
from rtsep.models.backends import Name, backends, choose_backend
from rtsep.models.bundle import Bundle, load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmTable
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """FLOPs of the CPU's attention kernel, which torch's counter leaves out, by torch's formula."""
    return int(sdpa_flop_count(query, key, value))


ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


WARM_UP = 20
"""Hops that are not timed: the first ones allocate."""


def bench_session(
    bundle_name: str, seconds: float, sample_rate: int, block: int, json_file: Path | None
) -> None:
    """Measure, show, and write the report if asked to."""
    torch.set_num_threads(1)
    bundle = load_bundle(bundle_name)
    separator = bundle.separator
    times = step_times(bundle, seconds)
    live = choose_backend(bundle).name
    report: dict[str, Any] = {
        "bundle": bundle_name,
        "stream": {"max_abs_diff": stream_difference(separator)},
        "latency": latency(separator, sample_rate, block),
        "compute": {"gmacs_per_s": gmacs_per_second(separator)},
        "step": {"backend": live, **times[live]},
        "backends": times,
    }
    show(_table(report))
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def stream_difference(separator: Separator, seconds: float = 2.0) -> float:
    """The largest difference between a stream in random chunks and the whole, over rates and channels."""
    random = np.random.default_rng(0)
    condition = _any_condition(separator)
    worst = 0.0
    for sample_rate in (44_100, 48_000, 96_000):
        for channels in (1, 2):
            sound = (0.1 * random.standard_normal((round(seconds * sample_rate), channels))).astype(
                np.float32
            )
            whole = Pipeline(separator, condition, sample_rate, channels).push(sound)
            stream, chunks, at = Pipeline(separator, condition, sample_rate, channels), [], 0
            while at < len(sound):
                size = int(random.integers(1, sample_rate // 20))
                chunks.append(stream.push(sound[at : at + size]))
                at += size
            worst = max(worst, float(np.abs(np.concatenate(chunks) - whole).max()))
    return worst


def latency(separator: Separator, sample_rate: int, block: int) -> dict[str, Any]:
    """The budget term by term, and declared against measured on the fake device."""
    declared, measured = measure_latency(separator, sample_rate, block)
    device = FakeDevice(np.zeros((1, 1), np.float32), sample_rate, block)
    budget = Engine(separator, FilmTable(), device, Console()).latency
    return {
        "algorithmic_ms": 1000 * (separator.hop + separator.lookahead) / separator.sample_rate,
        "declared_samples": declared,
        "measured_samples": measured,
        "sample_rate": sample_rate,
        "block": block,
        "terms_ms": budget.terms_ms(),
    }


def gmacs_per_second(separator: Separator) -> dict[str, float]:
    """Multiply-accumulates a second of sound with one prompt, in 10^9, by part, by torch's FLOP counter."""
    parts = {
        "encoder": "Separator.codec.encoder",
        "masker": "Separator.masker",
        "decoder": "Separator.codec.decoder",
    }
    hops = round(separator.sample_rate / separator.hop)
    film = _any_condition(separator).film[None, :1, None]
    state = separator.initial_state(1, 1, 1, 1)
    chunk = torch.zeros(1, 1, separator.hop)
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        for _ in range(hops):  # hop by hop, as it runs live
            _, state = separator(chunk, film, state)
    counts = counter.get_flop_counts()
    found = {name: sum(counts[path].values()) / 2e9 for name, path in parts.items()}
    return found | {"total": counter.get_total_flops() / 2e9}


def step_times(bundle: Bundle, seconds: float) -> dict[Name, dict[str, float]]:
    """Time of one hop, one thread, one prompt, mono, by every backend there is.

    They take turns hop by hop, so that all meet the same moods of the machine.
    """
    separator = bundle.separator
    condition = _any_condition(separator)
    film = condition.film[None, :, None]
    sound = torch.randn(1, 1, separator.hop) * 0.1
    steps = {name: make() for name, make in backends(bundle).items()}
    states = {name: separator.initial_state(1, 1, 1, 1) for name in steps}
    times: dict[Name, list[float]] = {name: [] for name in steps}
    with torch.inference_mode():
        for number in range(WARM_UP + round(seconds * separator.sample_rate / separator.hop)):
            for name, step in steps.items():
                started = time.perf_counter()
                _, states[name] = step(sound, film, states[name], condition.mix)
                if number >= WARM_UP:
                    times[name].append(1000 * (time.perf_counter() - started))
    hop_ms = 1000 * separator.hop / separator.sample_rate
    return {name: _summary(taken, hop_ms) for name, taken in times.items()}


def _summary(times_ms: list[float], hop_ms: float) -> dict[str, float]:
    p50, p95, p99, p999 = np.percentile(times_ms, [50, 95, 99, 99.9])
    return {
        "hop_ms": hop_ms,
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "p99.9_ms": float(p999),
        "max_ms": max(times_ms),
        "rtf": sum(times_ms) / len(times_ms) / hop_ms,
    }


def _any_condition(separator: Separator) -> Condition:
    """The prompt does not matter for the time it takes: a random embedding stands for any."""
    embedding = nn.functional.normalize(
        torch.randn(1, separator.masker.config.text, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    with torch.inference_mode():
        film = separator.film_head(embedding)[0]
    return Condition.of(Console.of(["anything"]), lambda words: film, len(film))


def _table(report: dict[str, Any]) -> Table:
    """Every figure, one a line."""
    table = Table("figure", "value", title=f"bundle {report['bundle']}, one thread")

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix}.{key}" if prefix else key, inner)
        else:
            table.add_row(prefix, f"{value:.4g}" if isinstance(value, float) else str(value))

    add("", {key: value for key, value in report.items() if key != "bundle"})
    return table

"""The benchmark and the demonstration: what they measure is measured on what runs live."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from builders import LIVE_CODEC, BagOfWords, linear_separator, tiny_bundle, tiny_separator, write_bundle

from rtsep.evaluate import bench, demo
from rtsep.evaluate.latency import measure_latency
from rtsep.models.text import TEXT_ENCODERS


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("block", [64, 256, 1024])
def test_the_latency_declared_is_the_latency_measured(rate: int, block: int) -> None:
    separator = linear_separator(LIVE_CODEC)
    declared, measured = measure_latency(separator, rate, block)
    assert declared == measured


def test_the_report_has_every_figure(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", linear_separator(LIVE_CODEC))
    bench.bench_session(str(folder), 0.1, 48_000, 256, tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["stream"]["max_abs_diff"] <= 1e-5
    latency = report["latency"]
    assert latency["declared_samples"] == latency["measured_samples"]
    terms = latency["terms_ms"]
    sums = ("algorithmic", "engine", "total")
    assert terms["total"] == pytest.approx(sum(terms[name] for name in terms if name not in sums))
    assert report["step"]["backend"] in report["backends"]
    for step in (report["step"], *report["backends"].values()):
        assert 0 < step["p50_ms"] <= step["p95_ms"] <= step["p99_ms"] <= step["max_ms"]
    parts = report["compute"]["gmacs_per_s"]
    assert parts["total"] == pytest.approx(parts["encoder"] + parts["masker"] + parts["decoder"])


def test_every_backend_is_timed_over_the_same_hops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    separator = tiny_separator()
    assert list(bench.step_times(bundle, 0.1)) == ["eager"]
    calls: list[str] = []

    def way(name: str) -> Callable[..., object]:
        def step(*given: object) -> object:
            calls.append(name)
            return separator(*given)

        return step

    ways = {name: (lambda name=name: way(name)) for name in ("eager", "graph", "int8")}
    monkeypatch.setattr(bench, "backends", lambda bundle: ways)
    times = bench.step_times(bundle, 15 * separator.hop / separator.sample_rate)
    assert list(times) == list(ways)
    assert calls == (bench.WARM_UP + 15) * list(ways)


def test_the_demonstration_writes_what_it_made_and_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(TEXT_ENCODERS, "bag-of-words", BagOfWords)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "SECONDS", 1.0)
    folder = write_bundle(tmp_path / "bundle", linear_separator(LIVE_CODEC))
    demo.run_demo(str(folder), tmp_path / "demo")
    waves = {
        name: soundfile.read(tmp_path / "demo" / f"{name}.wav", dtype="float32")[0]
        for name in ("mixture", "separated", "residual")
    }
    assert {len(wave) for wave in waves.values()} == {48_000}
    assert np.abs(waves["mixture"] - waves["separated"] - waves["residual"]).max() <= 1e-6
    assert (tmp_path / "demo" / "spectrograms.png").stat().st_size > 10_000

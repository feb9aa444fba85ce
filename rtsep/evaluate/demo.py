"""``rtsep demo``: a mixture made here, separated, measured, written and drawn."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich import print as show
from rich.table import Table

from rtsep.audio.file import AudioSink
from rtsep.control import Console
from rtsep.evaluate.scores import si_sdr_db
from rtsep.evaluate.synthetic import SOUNDS
from rtsep.models.backends import choose_backend
from rtsep.models.bundle import Bundle, load_bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.pipeline import Pipeline
from rtsep.render import render
from rtsep.worker import Worker

SAMPLE_RATE = 48_000
SECONDS = 8.0
PROMPTS = ("flute", "rain", "bass drum")
"""The sounds that are mixed; the first is the one that is written."""

Mono = NDArray[np.float32]


class _Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.chunks: list[Mono] = []

    def write(self, samples: Mono) -> None:
        self.chunks.append(samples)


def run_demo(bundle_name: str, folder: Path) -> None:
    """Write mixture.wav, separated.wav, residual.wav and spectrograms.png, and show a table."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    bundle = load_bundle(bundle_name)
    films = FilmCache(bundle)
    sources = {words: _level(SOUNDS[words](SAMPLE_RATE, SECONDS)) for words in PROMPTS}
    mixture: Mono = np.stack(list(sources.values())).sum(axis=0)
    table = Table(
        "prompt", "SI-SDR improvement", "latency of the model", "real-time factor", title="rtsep demo"
    )
    separated = []
    for words, source in sources.items():
        output, rtf = _separate(bundle, films, words, mixture)
        separated.append(output)
        gain_db = _si_sdr_db(output, source) - _si_sdr_db(mixture, source)
        table.add_row(words, f"{gain_db:+.1f} dB", f"{_latency_ms(bundle):g} ms", f"{rtf:.2f}")
    results = {"mixture": mixture, "separated": separated[0], "residual": mixture - separated[0]}
    for name, wave in results.items():
        with AudioSink(folder / f"{name}.wav", SAMPLE_RATE, 1) as sink:
            sink.write(wave[:, None])
    _draw(results, folder / "spectrograms.png")
    show(table)
    show(f"{folder}/: {', '.join(f'{name}.wav' for name in results)} ({PROMPTS[0]}), spectrograms.png")


def _separate(bundle: Bundle, films: FilmCache, words: str, mixture: Mono) -> tuple[Mono, float]:
    """The part of the mixture that the words name, and the real-time factor, hop by hop on one thread."""
    console, separator = Console.of([words]), bundle.separator
    condition = Condition.of(console, films, separator.film_head.out.out_features)
    worker = Worker(Pipeline(separator, condition, SAMPLE_RATE, 1, choose_backend(bundle).step), console)
    worker.pipeline.warm_up()
    hop = worker.pipeline.timing.period
    blocks = (mixture[start : start + hop, None] for start in range(0, len(mixture), hop))
    kept = _Kept()
    started = time.perf_counter()
    render(worker, blocks, kept)
    return np.concatenate(kept.chunks)[:, 0], (time.perf_counter() - started) / SECONDS


def _level(wave: NDArray[np.float64]) -> Mono:
    """At -26 dBFS, so that two of them leave headroom."""
    levelled: Mono = (wave * 0.05 / np.sqrt(np.mean(np.square(wave)))).astype(np.float32)
    return levelled


def _si_sdr_db(estimate: Mono, target: Mono) -> float:
    return si_sdr_db(torch.from_numpy(estimate), torch.from_numpy(target)).item()


def _latency_ms(bundle: Bundle) -> float:
    separator = bundle.separator
    return 1000 * (separator.hop + separator.lookahead) / separator.sample_rate


def _draw(results: dict[str, Mono], path: Path) -> None:
    """Spectrograms one above the other, on one scale."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(results), sharex=True, figsize=(10, 8), layout="constrained")
    for axis, (name, wave) in zip(axes, results.items(), strict=True):
        _, _, _, image = axis.specgram(
            wave + 1e-9, NFFT=1024, Fs=SAMPLE_RATE, noverlap=768, vmin=-140, vmax=-40, cmap="magma"
        )
        axis.set(title=name, ylabel="Hz", ylim=(0, 12_000))
    axes[-1].set_xlabel("s")
    figure.colorbar(image, ax=axes, label="dB")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

"""The promises of a separator, each as a check that says what it found."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rtsep.conformance.bench import Bench, chunks, leaves
from rtsep.models.condition import Condition
from rtsep.separators.protocol import LiveSeparator

TOLERANCE = 1e-4
"""Largest difference of two ways to run one stream, of sound that reaches 1."""

GROWTH_BYTES = 8_192
"""What the interpreter itself may keep, over ``GROWTH_HOPS``; a hop of 5 ms that were kept is 1 KB."""
GROWTH_HOPS = 100


@dataclass(frozen=True)
class Result:
    """A promise, and whether it is kept."""

    promise: str
    kept: bool
    found: str


def check(separator: LiveSeparator, promises: Collection[str] = ()) -> Iterator[Result]:
    """Every promise in turn, or those that are named; a check that raises is a promise that is not kept."""
    bench = Bench(separator)
    for promise, look in CHECKS.items():
        if promises and promise not in promises:
            continue
        try:
            with torch.inference_mode():
                kept, found = look(bench)
        except Exception as error:  # whatever another's code raises is the finding
            kept, found = False, f"{type(error).__name__}: {error}"
        yield Result(promise, kept, found)


def _declares(bench: Bench) -> tuple[bool, str]:
    made = bench.separator
    figures = {name: getattr(made, name) for name in ("sample_rate", "hop", "lookahead", "condition_size")}
    good = all(type(value) is int for value in figures.values())
    good = good and min(made.sample_rate, made.hop, made.condition_size) > 0 <= made.lookahead
    return good and bool(made.name), ", ".join(f"{name} {value!r}" for name, value in figures.items())


def _understands(bench: Bench) -> tuple[bool, str]:
    first, again = bench.conditions, bench.conditions
    same = all(torch.equal(first(prompt), again(prompt)) for prompt in bench.prompts)
    return same, f"{', '.join(map(repr, bench.prompts))}{'' if same else ': not the same twice'}"


def _shapes(bench: Bench) -> tuple[bool, str]:
    wrong = []
    for channels, count, stems in ((1, 1, 0), (2, len(bench.prompts), 0), (2, 1, 1)):
        condition = bench.condition(bench.prompts[:count], stems)
        found, state = bench.run(bench.noise(4, channels), condition)
        outputs = len(condition.mix.dry)
        wanted = ((1, outputs, channels, 4 * bench.separator.hop), (1, outputs, 4))
        if (got := tuple(tuple(part.shape) for part in found)) != wanted:
            wrong.append(f"{got} instead of {wanted}")
        if len(state) != 3 or any(leaf.shape[0] != count for leaf in leaves(state[1])):
            wrong.append("the second part of the state has no row for each prompt")
    return not wrong, "; ".join(wrong) or "1 and 2 channels, 1 and more prompts and outputs"


def _streams(bench: Bench) -> tuple[bool, str]:
    hops, worst = bench.hops(0.5), 0.0
    for channels in (1, 2):
        condition, sound = bench.condition(bench.prompts), bench.noise(hops, channels)
        whole, _ = bench.run(sound, condition)
        for sizes in ([1] * hops, chunks(hops)):
            pieces, _ = bench.run(sound, condition, sizes)
            worst = max(worst, *(_difference(a, b) for a, b in zip(whole, pieces, strict=True)))
    return worst <= TOLERANCE, f"differs by {worst:.1e}, at most {TOLERANCE:.0e}"


def _keeps_nothing(bench: Bench) -> tuple[bool, str]:
    condition = bench.condition(bench.prompts[:1])
    sounds = [bench.noise(6, seed=seed) for seed in (1, 2)]
    alone = [bench.run(sound, condition, [1] * 6)[0].wave for sound in sounds]
    states = [bench.start(condition, 1) for _ in sounds]
    waves: list[list[Tensor]] = [[] for _ in sounds]
    untouched = True
    for hop in range(6):
        for stream, sound in enumerate(sounds):
            before = [leaf.clone() for leaf in leaves(states[stream])]
            part = sound[..., hop * bench.separator.hop : (hop + 1) * bench.separator.hop]
            found, after = bench.step(part, condition, states[stream])
            untouched &= all(map(torch.equal, before, leaves(states[stream])))
            states[stream] = after
            waves[stream].append(found.wave.cpu())
    worst = max(_difference(torch.cat(a, dim=-1), b) for a, b in zip(waves, alone, strict=True))
    said = "two streams in turn are each as alone" if worst <= TOLERANCE else f"streams mix: {worst:.1e}"
    return worst <= TOLERANCE and untouched, said + ("" if untouched else "; an old state was changed")


def _lookahead(bench: Bench) -> tuple[bool, str]:
    made = bench.separator
    sound = bench.noise(bench.hops(1.0))
    heard = [bench.run(sound, bench.condition([prompt]))[0].wave[0, 0, 0] for prompt in bench.prompts]
    loudest = max(heard, key=lambda wave: float(wave.square().sum()))
    if not loudest.any():
        return False, "silent for every prompt: nothing to measure"
    lag = _lag(sound[0, 0], loudest)
    return lag == made.lookahead, f"declared {made.lookahead}, measured {lag} samples"


def _causal(bench: Bench) -> tuple[bool, str]:
    hops, hop = 16, bench.separator.hop
    condition, sound = bench.condition(bench.prompts), bench.noise(hops)
    changed = sound.clone()
    changed[..., 9 * hop + hop // 2] += 3.0
    first, second = (bench.run(each, condition)[0].wave for each in (sound, changed))
    moved = ((first - second).abs().amax(dim=(0, 1, 2)) > TOLERANCE).nonzero()
    if not len(moved):
        return False, "an impulse changes nothing"
    at = int(moved[0])
    return at >= 9 * hop, f"changed in hop 9, heard from hop {at / hop:.1f} on"


def _bounded(bench: Bench) -> tuple[bool, str]:
    condition, sound = bench.condition(bench.prompts), bench.noise(bench.hops(2.0))
    state = bench.start(condition, 1)
    shapes, largest = [leaf.shape for leaf in leaves(state)], 0.0
    for chunk in sound.split(4 * bench.separator.hop, dim=-1):
        _, state = bench.step(chunk, condition, state)
        if [leaf.shape for leaf in leaves(state)] != shapes:
            return False, "the state changes its shape while it runs"
        largest = max([largest, *(float(leaf.abs().max()) for leaf in leaves(state) if leaf.numel())])
    size = sum(leaf.numel() * leaf.element_size() for leaf in leaves(state))
    return bool(np.isfinite(largest)), f"{size / 1024:.0f} KB, values up to {largest:.3g}"


def _grows(bench: Bench) -> tuple[bool, str]:
    condition, sound = bench.condition(bench.prompts[:1]), bench.noise(8)
    state = bench.start(condition, 1)

    def play(hops: int) -> None:
        nonlocal state
        for hop in range(hops):
            at = hop % 8 * bench.separator.hop
            _, state = bench.step(sound[..., at : at + bench.separator.hop], condition, state)

    play(GROWTH_HOPS)  # what is made once is made now, untraced: tracing is what takes longest here
    tracemalloc.start()
    try:
        play(8)  # until all of the state is of the time that is traced
        before = _held()
        play(GROWTH_HOPS)
        grown = _held() - before
    finally:
        tracemalloc.stop()
    return grown <= GROWTH_BYTES, f"{grown} bytes in {GROWTH_HOPS} hops, at most {GROWTH_BYTES}"


def _silence(bench: Bench) -> tuple[bool, str]:
    condition = bench.condition(bench.prompts)
    hop = bench.separator.hop
    sounds = {"silence": torch.zeros(1, 1, 20 * hop), "full scale": torch.ones(1, 1, 20 * hop)}
    wrong = [name for name, sound in sounds.items() if not _finite(bench, sound, condition)]
    return not wrong, f"not finite: {', '.join(wrong)}" if wrong else "silence and full scale stay finite"


def _in_time(bench: Bench) -> tuple[bool, str]:
    condition, sound = bench.condition(bench.prompts[:1]), bench.noise(120)
    bench.separator.go_live(played=False)
    state = bench.start(condition, 1)
    times_ms, wall_ms = [], []
    for chunk in sound.split(bench.separator.hop, dim=-1):
        started, clock = time.thread_time(), time.perf_counter()
        _, state = bench.step(chunk, condition, state)
        times_ms.append(1000 * (time.thread_time() - started))
        wall_ms.append(1000 * (time.perf_counter() - clock))
    median, p99 = np.percentile(times_ms[20:], [50, 99])
    hop_ms = 1000 * bench.separator.hop / bench.separator.sample_rate
    said = f"{median:.2f} ms a hop of {hop_ms:.3g} ms, 99 % {p99:.2f}, by the clock {np.median(wall_ms):.2f}"
    return bool(median < hop_ms), said


def _finite(bench: Bench, sound: Tensor, condition: Condition) -> bool:
    found, state = bench.run(sound, condition)
    return all(bool(each.isfinite().all()) for each in (*found, *leaves(state)))


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max()) if one.shape == other.shape else float("inf")


def _lag(sent: Tensor, heard: Tensor) -> int:
    """Samples by which ``heard`` lags ``sent``, by the peak of their correlation."""
    size = 2 * len(sent)
    spectrum = torch.fft.rfft(heard, size) * torch.fft.rfft(sent, size).conj()
    return int(torch.fft.irfft(spectrum, size)[: len(sent)].argmax())


def _held() -> int:
    """Bytes that Python and tensors hold."""
    gc.collect()
    stores = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in _tensors()}
    return tracemalloc.get_traced_memory()[0] + sum(stores.values())


def _tensors() -> list[Tensor]:
    return [each for each in gc.get_objects() if type(each) is Tensor]


CHECKS: dict[str, Callable[[Bench], tuple[bool, str]]] = {
    "declares rate, hop, lookahead": _declares,
    "understands its prompts": _understands,
    "gives what it should": _shapes,
    "a stream in chunks is the whole": _streams,
    "keeps nothing but the state": _keeps_nothing,
    "the declared lookahead is true": _lookahead,
    "hears nothing before it sounds": _causal,
    "the state is bounded": _bounded,
    "memory does not grow": _grows,
    "stays finite": _silence,
    "a step is shorter than its hop": _in_time,
}

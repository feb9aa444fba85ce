"""The pipeline: the same in any chunks, nothing shifted, transparent under a mask of ones, and no clicks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import (
    CODEC,
    MEMORY_HOPS,
    heard,
    keep_all,
    noise,
    push_all,
    random_films,
    random_sizes,
    tiny_separator,
    transparent_separator,
)
from torch import Tensor

from rtsep.models.fade import FADE_HOPS
from rtsep.models.separator import Separator
from rtsep.pipeline import RAMP_S, Pipeline

RATES = [44_100, 48_000, 96_000]
OTHER_RATES = [8_000, 16_000, 22_050, 24_000, 32_000]
MODEL_RATE = CODEC.sample_rate
HOP = CODEC.hop


def pipeline(
    separator: Separator | None = None, rate: int = 48_000, channels: int = 1, prompts: int = 1
) -> Pipeline:
    separator = separator or tiny_separator()
    return Pipeline(separator, keep_all(random_films(separator, prompts)), rate, channels)


@pytest.mark.parametrize("rate", RATES + OTHER_RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("most", [40, 3000])
def test_chunks_of_any_size_give_the_whole_and_as_much_as_was_promised(
    rate: int, channels: int, most: int
) -> None:
    x = noise(rate // 10, channels)
    whole = pipeline(rate=rate, channels=channels, prompts=2).push(x)
    chunked = push_all(pipeline(rate=rate, channels=channels, prompts=2), x, random_sizes(len(x), most, rate))
    assert chunked.shape == whole.shape
    assert len(whole) > 0.9 * len(x)
    assert np.abs(chunked - whole).max() <= 1e-5
    assert whole.std() > 0.01


@pytest.mark.parametrize("rate", RATES + OTHER_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_mask_of_ones_gives_back_the_input_over_the_full_band(rate: int, channels: int) -> None:
    x = noise(rate // 5, channels)
    y = push_all(pipeline(transparent_separator(), rate, channels), x, random_sizes(len(x), 900))
    # Of 8 kHz nothing lies in the upper half of the model's band, by which what is above it is measured.
    assert np.abs(y - x[: len(y)]).max() <= (1e-4 if rate == 8_000 else 1e-5)


@pytest.mark.parametrize("rate", RATES)
def test_what_comes_out_repeats_with_the_declared_period(rate: int) -> None:
    timing = pipeline(rate=rate).timing
    received = np.arange(timing.period + 1) + 1000  # after it has begun to give any
    emitted = [timing.emitted(int(n)) for n in received]
    later = [timing.emitted(int(n) + timing.period) for n in received]
    assert [b - a for a, b in zip(emitted, later, strict=True)] == [timing.period] * len(received)
    assert emitted == sorted(emitted)


@pytest.mark.parametrize("rate", [48_000, 96_000])
def test_full_band_off_removes_what_lies_above_the_model(rate: int) -> None:
    x = noise(rate // 2)

    def above_db(full_band: float) -> float:
        made = pipeline(transparent_separator(), rate)
        made.console = made.console.turned("full_band", full_band)
        y = made.push(x)[rate // 10 :, 0]
        power = np.abs(np.fft.rfft(y * np.hanning(len(y)))) ** 2
        frequency = np.fft.rfftfreq(len(y), 1 / rate)
        inside = power[(frequency > 100) & (frequency < 10_000)].mean()
        return float(10 * np.log10(power[frequency > 12_300].mean() / inside))

    assert above_db(1) == pytest.approx(0, abs=0.5)
    assert above_db(0) < -60


def test_the_high_band_follows_the_mask() -> None:
    separator = transparent_separator()
    with torch.no_grad():
        separator.masker.leave.bias.fill_(float(np.log(0.25 / 0.75)))  # a mask of a quarter
    x = noise(9600)
    y = pipeline(separator).push(x)
    assert np.abs(y[480:] - 0.25 * x[480 : len(y)]).max() <= 1e-4


def test_not_wet_is_exactly_the_input_at_its_place() -> None:
    made = pipeline()
    made.console = made.console.turned("wet", 0.0)
    x = noise(20_000, seed=3)
    y = push_all(made, x, random_sizes(len(x), 500))
    assert np.array_equal(y, x[: len(y)])


def test_bypass_and_back_is_heard_at_the_same_place_as_before() -> None:
    x = noise(30_000)
    plain = push_all(pipeline(), x, [500] * 60)
    made = pipeline()
    outputs = []
    for number in range(60):
        made.console = made.console.turned("bypass", 20 <= number < 40)
        outputs.append(made.push(x[500 * number : 500 * (number + 1)]))
    y = np.concatenate(outputs)
    first, ramp = sum(map(len, outputs[:20])), round(RAMP_S * 48_000)
    last = sum(map(len, outputs[:40]))
    assert np.array_equal(y[:first], plain[:first])
    assert np.array_equal(y[first + ramp : last], x[first + ramp : last])
    assert np.array_equal(y[last + ramp :], plain[last + ramp :])


@pytest.mark.parametrize(
    ("name", "start", "end"), [("gain", 0.0, -60.0), ("gain", 0.0, 24.0), ("bypass", 0.0, 1.0)]
)
def test_a_turned_parameter_ramps_and_does_not_jump(name: str, start: float, end: float) -> None:
    separator = transparent_separator()
    with torch.no_grad():
        separator.masker.leave.bias.fill_(0)  # a mask of a half, so that bypass is heard
    made = pipeline(separator)
    x = np.full((9600, 1), 0.1, np.float32)
    made.console = made.console.turned(name, start)
    before = made.push(x)
    made.console = made.console.turned(name, end)
    after = np.concatenate([made.push(x[:77]), made.push(x), made.push(x)])
    y = np.concatenate([before[-100:], after])[:, 0]
    share = 0.1 if name == "bypass" else y[-1] if end > 0 else 0.05
    assert np.abs(np.diff(y)).max() <= share * 84 * np.log(10) / 20 / (RAMP_S * 48_000) * 1.05 + 1e-6
    expected = 0.1 if name == "bypass" else 0.05 * 10 ** (end / 20)
    assert y[0] == pytest.approx(0.05, rel=1e-3)
    assert y[-1] == pytest.approx(expected, rel=1e-3)


def test_what_is_set_at_the_start_holds_from_the_first_sample_on() -> None:
    x = np.full((9600, 1), 0.1, np.float32)
    quiet, plain = pipeline(transparent_separator()), pipeline(transparent_separator())
    quiet.console = quiet.console.turned("gain", -40.0)
    assert np.abs(quiet.push(x) - 0.01 * plain.push(x)).max() <= 1e-6
    dry = pipeline()
    dry.console = dry.console.turned("gain", -40.0)
    dry.begin_dry()
    assert dry.push(x)[0, 0] == pytest.approx(0.1, rel=0.01)


def test_a_prompt_change_is_spread_over_its_hops() -> None:
    separator = transparent_separator()
    films = random_films(separator, 1)
    made = Pipeline(separator, heard(films, [1.0]), MODEL_RATE, 1)
    x = np.ones((200 * HOP, 1), np.float32)
    before = made.push(x)
    made.set_condition(heard(films, [0.0]))
    y = np.concatenate([before[-HOP:], made.push(x)])[:, 0]
    assert np.abs(np.diff(y)).max() <= 1.1 / FADE_HOPS * np.pi / 2 / CODEC.stem_overlap
    assert np.diff(y).max() <= 1e-5
    flat = {round(float(y[HOP + CODEC.lookahead + HOP * number + 1]), 3) for number in range(FADE_HOPS)}
    assert flat == {round(1 - number / FADE_HOPS, 3) for number in range(1, FADE_HOPS + 1)}


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_prompt_change_does_not_click(rate: int) -> None:
    separator = tiny_separator()
    films = random_films(separator, 2)
    tone = 0.2 * np.sin(2 * np.pi * 440 / rate * np.arange(rate // 2))[:, None].astype(np.float32)
    made = Pipeline(separator, keep_all(films[:1]), rate, 1)
    before = made.push(tone[: rate // 4])
    made.set_condition(keep_all(films[1:]))
    after = made.push(tone[rate // 4 :])
    y = np.concatenate([before, after])[:, 0]
    step = np.abs(np.diff(y))
    change = slice(len(before) - 50, len(before) + 10 * HOP)
    steady = max(step[rate // 20 : len(before) - 50].max(), step[len(before) + rate // 8 :].max())
    assert step[change].max() <= 1.5 * steady
    assert np.abs(after[-1000:]).max() > 0.01


def sizes_of(made: Pipeline) -> int:
    """Bytes in everything a pipeline holds."""

    def size(value: Any) -> int:
        if isinstance(value, np.ndarray):
            return value.nbytes
        if isinstance(value, Tensor):
            return value.nbytes
        if isinstance(value, list | tuple):
            return sum(map(size, value))
        if isinstance(value, torch.nn.Module):
            return 0
        return size(list(vars(value).values())) if type(value).__module__.startswith("rtsep") else 0

    return size(made)


def test_more_prompts_and_back_ends_where_it_began() -> None:
    separator = tiny_separator()
    films = random_films(separator, 3)
    always = Pipeline(separator, keep_all(films[:1]), 48_000, 1)
    changed = Pipeline(separator, keep_all(films[:1]), 48_000, 1)
    x = noise(4800, seed=1)
    assert np.array_equal(always.push(x), changed.push(x))
    size = sizes_of(changed)
    changed.set_condition(keep_all(films))
    three, one = changed.push(x), always.push(x)
    assert len(three) == len(one)
    assert np.abs(three - one).max() > 0.01
    changed.set_condition(keep_all(films[:1]))
    hops = FADE_HOPS + MEMORY_HOPS
    skip = noise(hops * 2 * HOP + 4800, seed=2)
    changed.push(skip), always.push(skip)
    assert np.abs(changed.push(x) - always.push(x)).max() <= 2e-6
    assert sizes_of(changed) == pytest.approx(size, abs=4 * 2 * 4 * HOP)


@pytest.mark.parametrize("counts", [[3, 1], [1, 3, 2, 8, 1], [2, 2]])
def test_conditions_that_follow_before_a_hop_is_full_end_at_the_last(counts: list[int]) -> None:
    separator = tiny_separator()
    films = random_films(separator, 8)
    hurried, calm = (Pipeline(separator, keep_all(films[:1]), 48_000, 2) for _ in range(2))
    x = noise(9600, 2)
    hurried.push(x), calm.push(x)
    for count in counts:
        hurried.set_condition(keep_all(films[-count:]))
        hurried.push(x[:7])
    calm.set_condition(keep_all(films[-counts[-1] :]))
    calm.push(x[: 7 * len(counts)])
    hurried.push(x), calm.push(x)
    assert np.abs(hurried.push(x) - calm.push(x)).max() <= 2e-6


def test_warming_up_changes_nothing() -> None:
    x = noise(4800)
    cold, warm = pipeline(), pipeline()
    warm.warm_up()
    assert warm.hops == 0
    assert np.abs(cold.push(x) - warm.push(x)).max() <= 1e-6


def test_a_pipeline_may_be_warmed_up_after_its_prompts_were_changed() -> None:
    made = pipeline()
    made.set_condition(keep_all(random_films(made.separator, 3)))
    made.warm_up()
    assert np.isfinite(made.push(noise(4800))).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e11])
def test_what_is_not_a_number_is_counted_and_taken_as_zero(bad: float) -> None:
    x = noise(9600, 2)
    broken, mended = x.copy(), x.copy()
    broken[100:150, 0], mended[100:150, 0] = bad, 0
    broken[5000], mended[5000] = bad, 0
    first, second = pipeline(channels=2), pipeline(channels=2)
    assert np.array_equal(first.push(broken), second.push(mended))
    assert (first.bad_samples, second.bad_samples) == (52, 0)
    assert np.array_equal(broken[5000], np.float32([bad, bad]), equal_nan=True)  # the caller's is his own


@pytest.mark.parametrize("rate", RATES)
def test_silence_passes_as_silence(rate: int) -> None:
    y = pipeline(transparent_separator(), rate).push(np.zeros((rate // 10, 1), np.float32))
    assert not y.any()


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_what_a_pipeline_holds_does_not_grow(rate: int) -> None:
    made = pipeline(rate=rate)
    rng = np.random.default_rng(0)
    held = []
    for _ in range(120):
        made.push(noise(int(rng.integers(1, 400))))
        held.append(sizes_of(made))
    assert max(held[70:]) <= max(held[20:70]) + 400 * 4
    assert len(set(held)) > 1


def test_no_chunk_at_all_is_no_trouble() -> None:
    made = pipeline(channels=2)
    assert made.push(np.zeros((0, 2), np.float32)).shape == (0, 2)
    x = noise(3000, 2)
    assert np.array_equal(made.push(x), pipeline(channels=2).push(x))
    assert made.push(np.zeros((0, 2), np.float32)).shape == (0, 2)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("prefill", [2000, 4096])
def test_the_latency_budget_adds_up_to_the_prefill(rate: int, prefill: int) -> None:
    budget = pipeline(rate=rate).timing.budget(prefill, (100, 50))
    assert budget.engine == prefill
    assert budget.total == prefill + 150
    assert budget.ms(budget.algorithmic) == pytest.approx(
        1000 * (HOP + CODEC.lookahead) / MODEL_RATE, abs=2000 / rate
    )

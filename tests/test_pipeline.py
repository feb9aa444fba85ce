"""The pipeline: the same in any chunks, nothing shifted, transparent under a mask of ones, and no clicks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import (
    CODEC,
    MEMORY_HOPS,
    Array,
    heard,
    keep_all,
    linear_separator,
    noise,
    random_films,
    random_sizes,
    stirred,
    tiny_separator,
    transparent_separator,
)
from torch import Tensor

from rtsep.control import STRIPS, Console, Strip
from rtsep.models.bundle import load_bundle
from rtsep.models.condition import Condition
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


def push_all(made: Pipeline, x: Array, sizes: list[int]) -> Array:
    """Push in chunks, checking at each that as much comes out as was promised."""
    outputs, received, emitted = [], 0, 0
    for size in sizes:
        y = made.push(x[received : received + size])
        outputs.append(y)
        received += size
        emitted += len(y)
        assert emitted == made.timing.emitted(received)
    assert received == len(x)
    return np.concatenate(outputs)


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
    ramp = round(RAMP_S * 48_000)
    assert np.array_equal(y[ramp:], x[ramp : len(y)])
    assert not np.allclose(y[: ramp // 2], x[: ramp // 2], atol=1e-3)


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_counted_and_taken_as_zero(bad: float) -> None:
    x = noise(9600, 2)
    broken, mended = x.copy(), x.copy()
    broken[100:150, 0], mended[100:150, 0] = bad, 0
    broken[5000], mended[5000] = bad, 0
    first, second = pipeline(channels=2), pipeline(channels=2)
    assert np.array_equal(first.push(broken), second.push(mended))
    assert (first.bad_samples, second.bad_samples) == (52, 0)
    assert np.isnan(broken[5000]).all() or np.isinf(broken[5000]).all()  # the caller's array is his own


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


def db(difference: Array) -> float:
    return float(20 * np.log10(np.abs(difference).max(initial=1e-12)))


def console(*strips: Strip) -> Console:
    return Console((*strips, *(Strip(),) * (STRIPS - len(strips)))).turned("residual/mute", False)


def on_console(separator: Separator, asked: Console, rate: int, channels: int, stems: int) -> Pipeline:
    films = dict(zip("abcdefgh", random_films(separator, STRIPS), strict=True))
    condition = Condition.of(asked, films.__getitem__, separator.film_head.out.out_features, stems)
    return Pipeline(separator, condition, rate, channels)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_strips_at_their_level_and_everything_else_are_the_delayed_input(rate: int, channels: int) -> None:
    x = noise(rate // 4, channels)
    asked = console(Strip("a"), Strip("b"), Strip(), Strip("c"))
    made = on_console(linear_separator(), asked, rate, channels, stems=0)
    y = push_all(made, x, random_sizes(len(x), 900, rate))
    assert db(y - x[: len(y)]) <= -100


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("stems", [2, 4])
def test_all_outputs_of_stems_add_up_to_the_delayed_input(rate: int, channels: int, stems: int) -> None:
    x = noise(rate // 4, channels)
    asked = console(Strip("a"), Strip("b"), Strip("c"), Strip("d"))
    made = on_console(linear_separator(), asked, rate, channels, stems)
    y = push_all(made, x, random_sizes(len(x), 900, rate)).reshape(-1, stems + 1, channels)
    assert db(y.sum(axis=1) - x[: len(y)]) <= -100
    assert all(y[:, output].std() > 0.002 for output in range(stems + 1))


@pytest.mark.parametrize("stems", [0, 3])
def test_what_is_taken_away_and_everything_else_are_the_delayed_input(stems: int) -> None:
    x = noise(12_000)
    asked = console(Strip("a", negative=True), Strip("b"), Strip("c"))
    total = np.zeros_like(x)
    solo = [f"prompt/{number}/solo" for number in (1, 2, 3)] + ["residual/solo"]
    for name in solo:
        y = on_console(linear_separator(), asked.turned(name, True), 48_000, 1, stems).push(x)
        total[: len(y)] += y.sum(axis=1, keepdims=True)
    assert db((total - x)[: len(y)]) <= -100


def crooked_separator() -> Separator:
    """A codec far from linear: noise in every weight and bias, so that out of nothing comes something."""
    separator = tiny_separator()
    stirred(separator.codec, seed=7, by=0.1)
    return separator.eval().requires_grad_(False)


def test_the_crooked_codec_of_these_tests_is_not_linear() -> None:
    separator = crooked_separator()
    wave = torch.from_numpy(noise(100 * HOP)).T[:, None]
    latent, _ = separator.codec.encode(wave, separator.codec.encoder.initial_state(1))
    one, half, nothing = (
        separator.codec.decode(gain * latent, separator.codec.decoder.initial_state(1))[0]
        for gain in (1, 0.5, 0)
    )
    assert nothing.std() > 0.001
    assert (one - 2 * half).std() > 0.01 * one.std()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("stems", [2, 4])
def test_whatever_the_decoder_does_strips_and_everything_else_are_the_delayed_input(
    stems: int, channels: int
) -> None:
    x = noise(12_000, channels)
    asked = console(Strip("a"), Strip("b"), Strip("c", negative=True), Strip("d"))
    for name in [f"prompt/{number}/solo" for number in (1, 2, 3, 4)] + ["residual/solo"]:
        asked = asked.turned(name, True)  # what is taken away has an output as well, and is heard on solo
    made = on_console(crooked_separator(), asked, 48_000, channels, stems)
    y = push_all(made, x, random_sizes(len(x), 900)).reshape(-1, stems + 1, channels)
    assert db(y.sum(axis=1) - x[: len(y)]) <= -100
    assert all(y[:, output].std() > 1e-4 for output in range(stems + 1))


def test_whatever_the_decoder_does_all_at_its_level_is_the_input_in_one_mix() -> None:
    x = noise(12_000, 2)
    asked = console(Strip("a"), Strip("b"), Strip("c"))
    y = push_all(on_console(crooked_separator(), asked, 48_000, 2, stems=0), x, random_sizes(len(x), 900))
    assert db(y - x[: len(y)]) <= -100


def test_whatever_the_decoder_does_one_sound_and_the_mix_without_it_are_the_input() -> None:
    x = noise(12_000)
    alone, without = (
        on_console(crooked_separator(), console(Strip("a")).turned(name, True), 48_000, 1, stems=0).push(x)
        for name in ("prompt/1/solo", "residual/solo")
    )
    assert db(alone + without - x[: len(alone)]) <= -100
    assert alone.std() > 0.001


def test_the_shipped_models_stems_add_up_as_well() -> None:
    separator = load_bundle().separator
    x = noise(24_000, 2)
    for stems in (0, 3):
        asked = console(Strip("a"), Strip("b"), Strip("c"))
        made = on_console(separator, asked, 48_000, 2, stems)
        y = push_all(made, x, random_sizes(len(x), 5000)).reshape(-1, max(1, stems + 1), 2)
        assert db(y.sum(axis=1) - x[: len(y)]) <= -100


def test_without_a_strip_in_use_the_input_is_heard() -> None:
    x = noise(9600, 2)
    for stems in (0, 2):
        y = on_console(linear_separator(), Console(), 44_100, 2, stems).push(x)
        assert np.abs(y[:, -2:] - x[: len(y)]).max() <= 1e-6
        assert not y[:, :-2].any()


@pytest.mark.parametrize("rate", RATES)
def test_to_hear_again_what_is_heard_changes_no_bit(rate: int) -> None:
    films = random_films(tiny_separator(), 3)
    plain, again = (Pipeline(tiny_separator(), keep_all(films), rate, 2) for _ in range(2))
    x = noise(rate // 5, 2)
    for start in range(0, len(x), 777):
        again.set_condition(keep_all(films.clone()))
        chunk = x[start : start + 777]
        assert np.array_equal(again.push(chunk), plain.push(chunk))


def test_to_go_elsewhere_and_back_before_a_hop_is_full_ends_where_it_began() -> None:
    films = random_films(tiny_separator(), 2)
    plain, there_and_back = (Pipeline(tiny_separator(), keep_all(films[:1]), 48_000, 1) for _ in range(2))
    x = noise(9600)
    plain.push(x), there_and_back.push(x)
    there_and_back.set_condition(keep_all(films[1:]))
    there_and_back.set_condition(keep_all(films[:1]))
    # Hop by hop through the fade, at once without one: rounding differs.
    assert np.abs(there_and_back.push(x) - plain.push(x)).max() <= 2e-6


@pytest.mark.parametrize("gone", [0, 1])
def test_a_strip_keeps_its_state_when_another_is_switched_off_and_on(gone: int) -> None:
    asked = console(Strip("a"), Strip("b"))
    separator = linear_separator()
    with torch.no_grad():  # small masks, which fit side by side: neither leaves the other less
        separator.masker.leave.weight.mul_(0.2)
        separator.masker.leave.bias.fill_(-4)
    films = dict(zip("ab", random_films(separator, 2), strict=True))
    size = len(films["a"])

    def condition(asked: Console) -> Condition:
        return Condition.of(asked, films.__getitem__, size, stems=2)

    always = Pipeline(separator, condition(asked), 48_000, 1)
    switched = Pipeline(separator, condition(asked), 48_000, 1)
    x, stays = noise(4800), 1 - gone
    for number in range(6):
        on = number not in (1, 2)
        switched.set_condition(condition(asked.turned(f"prompt/{gone + 1}/enable", on)))
        one, other = always.push(x), switched.push(x)
        assert one[:, stays].std() > 1e-5
        assert np.abs(one - other)[:, stays].max() <= 1e-4 * one[:, stays].std()
        assert bool(other[-1000:, gone].any()) == on


@pytest.mark.parametrize("prompts", [1, 4, 8])
def test_more_prompts_in_one_mix_are_decoded_once_a_hop(prompts: int) -> None:
    separator = tiny_separator()
    decoded: list[int] = []
    separator.codec.decoder.register_forward_pre_hook(lambda _, given: decoded.append(len(given[0])))
    made = Pipeline(separator, keep_all(random_films(separator, prompts)), MODEL_RATE, 2)
    made.warm_up()
    decoded.clear()
    made.push(noise(10 * HOP, 2))
    assert made.hops > 0
    assert decoded == [2] * made.hops  # both channels in one call

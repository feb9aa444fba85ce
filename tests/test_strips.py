"""Strips and everything else: together the delayed input, each with its state, decoded once in one mix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import (
    CODEC,
    Array,
    keep_all,
    linear_separator,
    noise,
    push_all,
    random_films,
    random_sizes,
    stirred,
    tiny_separator,
)

from rtsep.control import STRIPS, Console, Strip
from rtsep.models.bundle import load_bundle
from rtsep.models.condition import Condition
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline

RATES = [44_100, 48_000, 96_000]
MODEL_RATE = CODEC.sample_rate
HOP = CODEC.hop


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

"""What the console asks for, as the model takes it: prompts, gains, stems, and the way to other ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rtsep.control import STRIPS, Console, Residual, Strip, linear
from rtsep.models.condition import Condition
from rtsep.models.fade import FADE_HOPS, Fade

PARAMETERS = 6
ROWS = {
    words: torch.randn(PARAMETERS, generator=torch.Generator().manual_seed(seed))
    for seed, words in enumerate("abcdefgh")
}


def condition(console: Console, stems: int = 0) -> Condition:
    return Condition.of(console, ROWS.__getitem__, PARAMETERS, stems)


def console(*strips: Strip, mute: bool = True, gain_db: float = 0.0) -> Console:
    return Console((*strips, *(Strip(),) * (STRIPS - len(strips))), Residual(gain_db, mute))


def some_masks(strips: int = STRIPS) -> Tensor:
    """(1, strips, 3, 2), one for each strip of a console."""
    return torch.rand(1, strips, 3, 2, generator=torch.Generator().manual_seed(0))


def outputs(found: Condition, masks: Tensor) -> Tensor:
    """What each output takes of the latent, and of the input beside it, where strip p has masks[:, p]."""
    return found.mix(masks[:, list(found.strips)]) + found.mix.dry[None, :, None, None]


def test_kept_and_removed_strips_become_rows_in_their_order() -> None:
    found = condition(console(Strip("a", -6.0), Strip(), Strip("b", mute=True), Strip("c", negative=True)))
    assert found.strips == (0, 2, 3)
    assert len(found) == 3
    assert torch.equal(found.film, torch.stack([ROWS["a"], ROWS["b"], ROWS["c"]]))
    assert found.mix.wanted.tolist() == [1, 1, 0]
    assert found.mix.removed.tolist() == [0, 0, 1]
    assert found.mix.weights.tolist() == [[pytest.approx(linear(-6.0)), 0, 0]]
    assert found.mix.dry.tolist() == [0]


def test_a_muted_strip_still_takes_its_share() -> None:
    masks = torch.ones(1, STRIPS, 1, 1)
    assert outputs(condition(console(Strip("a"), Strip("b", mute=True))), masks).item() == 0.5


def test_only_a_removed_strip_leaves_the_input_less_that() -> None:
    found = condition(console(Strip("a", negative=True)))
    masks = some_masks()
    assert found.mix.dry.tolist() == [1]
    assert torch.allclose(outputs(found, masks)[:, 0], 1 - masks[:, 0])


def test_all_gains_of_one_with_the_rest_are_exactly_the_input() -> None:
    found = condition(console(Strip("a"), Strip("b"), mute=False))
    assert found.mix.weights.tolist() == [[0, 0]]
    assert found.mix.dry.tolist() == [1]


def test_the_rest_at_a_gain_is_the_input_less_the_stems_at_that_gain() -> None:
    found = condition(console(Strip("a", 6.0), Strip("b"), mute=False, gain_db=-20.0))
    masks = some_masks()
    first, second = found.mix.stems(masks[:, :2]).unbind(1)
    expected = linear(6.0) * first + second + 0.1 * (1 - first - second)
    assert torch.allclose(outputs(found, masks)[:, 0], expected, atol=1e-6)


def test_stems_have_an_output_each_and_the_rest_the_last() -> None:
    asked = console(Strip("a", 6.0), Strip(), Strip("c", negative=True), Strip("d"), mute=False, gain_db=-6.0)
    found = condition(asked, stems=4)
    masks = some_masks()
    a, c, d = found.mix.stems(masks[:, [0, 2, 3]]).unbind(1)
    heard = outputs(found, masks)
    assert heard.shape[1] == 5
    expected = [linear(6.0) * a, 0 * a, 0 * a, d, linear(-6.0) * (1 - a - c - d)]
    assert torch.allclose(heard, torch.stack(expected, dim=1), atol=1e-6)


@pytest.mark.parametrize("stems", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("mute", [True, False])
def test_stems_add_up_to_the_mix_however_many_have_an_output(stems: int, mute: bool) -> None:
    strips = (Strip("a", 3.0), Strip("b", negative=True), Strip("c", -9.0), Strip("d", mute=True), Strip("e"))
    asked = console(*strips, mute=mute, gain_db=-3.0)
    masks = some_masks()
    heard = outputs(condition(asked, stems), masks)
    assert heard.shape[1] == stems + 1
    assert torch.allclose(heard.sum(dim=1), outputs(condition(asked), masks)[:, 0], atol=1e-6)


@pytest.mark.parametrize("stems", [0, 3])
def test_without_a_strip_in_use_the_rest_is_the_input_at_its_gain(stems: int) -> None:
    found = condition(console(Strip("a", enable=False), gain_db=-6.0), stems)
    assert len(found) == 1  # so that the model runs on
    assert found.film.shape == (1, PARAMETERS)
    assert found.mix.dry.tolist() == [0] * stems + [pytest.approx(linear(-6.0))]
    assert not found.mix(torch.ones(1, 1, 3, 2)).any()
    assert found.mix.weights.shape == (stems + 1, 1)


def test_everything_is_a_mask_of_ones_whatever_the_model_thinks() -> None:
    found = Condition.everything(PARAMETERS)
    assert torch.equal(found.mix(torch.rand(1, 1, 3, 2) + 1e-6), torch.ones(1, 1, 3, 2))
    assert found.mix.dry.tolist() == [0]


def test_the_same_is_the_same_and_anything_else_is_not() -> None:
    asked = console(Strip("a"), Strip("b"))
    assert condition(asked).same(condition(asked))
    assert condition(asked).same(condition(asked.turned("wet", 0.5)))  # which acts elsewhere
    for name, value in (
        ("prompt/1/text", "c"),
        ("prompt/1/gain", -1.0),
        ("prompt/2/mute", True),
        ("prompt/2/negative", True),
        ("prompt/2/enable", False),
        ("prompt/3/text", "c"),
        ("residual/mute", False),
    ):
        assert not condition(asked).same(condition(asked.turned(name, value))), name
    moved = console(Strip(), Strip("a"), Strip("b"))
    assert not condition(asked).same(condition(moved))


def test_a_strip_finds_its_row_and_a_new_one_begins_from_the_first() -> None:
    found = condition(console(Strip("a"), Strip(), Strip("c"), Strip("d")))
    assert found.rows((0, 2, 3)) == [0, 1, 2]
    assert found.rows((2, 3)) == [1, 2]
    assert found.rows((1, 3, 7)) == [0, 2, 0]


CASES = {
    "one more": (console(Strip("a")), console(Strip("a"), Strip("b"))),
    "one less": (console(Strip("a"), Strip("b")), console(Strip(), Strip("b"))),
    "other words": (console(Strip("a")), console(Strip("b"))),
    "another strip": (console(Strip("a")), console(Strip(), Strip("b", negative=True))),
    "none": (console(Strip("a"), Strip("b")), console()),
    "from none": (console(), console(Strip(), Strip("b"), mute=False)),
    "turned round": (console(Strip("a", -6.0)), console(Strip("a", negative=True))),
}


@pytest.mark.parametrize("stems", [0, 2])
@pytest.mark.parametrize("case", CASES)
def test_a_condition_moves_to_any_other(case: str, stems: int) -> None:
    start, end = (condition(each, stems) for each in CASES[case])
    one, other = start.beside(end)
    assert one.strips == other.strips == tuple(sorted({*start.strips, *end.strips}))
    masks = some_masks()
    assert torch.allclose(outputs(one, masks), outputs(start, masks), atol=1e-6)
    assert torch.allclose(outputs(other, masks), outputs(end, masks), atol=1e-6)
    half = one.toward(other, 0.5)
    for mine, first, second in zip(
        (half.film, *half.mix), (one.film, *one.mix), (other.film, *other.mix), strict=True
    ):
        assert torch.allclose(mine, (first + second) / 2)
    assert one.toward(other, 1.0).same(other)
    assert one.toward(other, 0.0).same(one)
    # Both what is wanted and the weights move: for a hop it may be 2 dB louder than at either end.
    assert float(outputs(half, masks).abs().max()) <= 1.25


def test_a_strip_that_comes_or_goes_has_its_own_words_all_the_way() -> None:
    start, end = condition(console(Strip("a"))), condition(console(Strip(), Strip("b")))
    for found in start.beside(end):
        assert torch.equal(found.film, torch.stack([ROWS["a"], ROWS["b"]]))


def test_a_fade_goes_in_equal_steps_and_leaves_what_stays_the_same_untouched() -> None:
    start, end = condition(console(Strip("a"))), condition(console(Strip("a", -20.0)))
    fade = Fade(start)
    assert not fade.moving
    fade.head_for(end)
    found = []
    while fade.moving:
        fade.move()
        found.append(fade.now)
    assert len(found) == FADE_HOPS
    assert found[-1].same(end)
    for hop, each in enumerate(found, 1):
        assert float(each.mix.weights) == pytest.approx(1 - 0.9 * hop / FADE_HOPS)
        assert each.film is start.film
    fade.head_for(condition(console(Strip("a", -20.0))))
    assert not fade.moving, "the same again changes nothing"


def test_a_fade_that_is_overtaken_goes_on_from_where_it_is() -> None:
    fade = Fade(condition(console(Strip("a"))))
    fade.head_for(condition(console(Strip("b"))))
    fade.move()
    between = fade.now
    fade.head_for(condition(console(Strip("b", -20.0))))
    assert fade.now is between
    for _ in range(FADE_HOPS):
        assert fade.moving
        fade.move()
    assert not fade.moving
    assert torch.equal(fade.now.film[0], ROWS["b"])


def test_a_condition_goes_to_another_device_whole() -> None:
    found = condition(console(Strip("a"), Strip("b"))).to(torch.device("meta"))
    assert found.strips == (0, 1)
    assert {each.device.type for each in (found.film, *found.mix)} == {"meta"}

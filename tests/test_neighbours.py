"""New words as a blend of known ones: what is known stays, what is hidden has no say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import CODEC, MASKER, tiny_bundle
from pydantic import ValidationError
from torch.nn.functional import normalize

from rtsep.models.masker import MaskerConfig
from rtsep.models.neighbours import Bank, Neighbours
from rtsep.models.separator import Separator

TEXT = 64


def bank(phrases: int = 20, temperature: float = 0.05) -> Neighbours:
    neighbours = Neighbours(phrases, TEXT, temperature)
    generator = torch.Generator().manual_seed(0)
    neighbours.bank.copy_(normalize(torch.randn(phrases, TEXT, generator=generator), dim=-1))
    return neighbours


def test_a_phrase_of_the_bank_stays_nearly_what_it_is() -> None:
    neighbours = bank()
    blended = neighbours(neighbours.bank).embedding
    assert ((blended * neighbours.bank).sum(dim=-1) > 0.99).all()


def test_a_new_phrase_becomes_a_blend_of_its_neighbours() -> None:
    neighbours = bank()
    between = normalize(neighbours.bank[3] + neighbours.bank[7], dim=-1)
    aside = normalize(torch.randn(TEXT, generator=torch.Generator().manual_seed(1)), dim=-1)
    blended = neighbours(normalize(between + 0.5 * aside, dim=-1)).embedding
    likeness = neighbours.bank @ blended
    assert set(likeness.topk(2).indices.tolist()) == {3, 7}
    assert float(blended @ between) > 0.8
    assert abs(float(blended.norm()) - 1) < 1e-5


def test_hidden_phrases_have_no_say() -> None:
    neighbours = bank()
    hidden = torch.zeros(20, dtype=torch.bool)
    hidden[3] = True
    blended = neighbours(neighbours.bank[3], hidden).embedding
    assert float(blended @ neighbours.bank[3]) < 0.7
    weights = (neighbours.bank[3] @ neighbours.bank.T / 0.05).masked_fill(hidden, float("-inf")).softmax(-1)
    assert torch.allclose(blended, normalize(weights @ neighbours.bank, dim=-1), atol=1e-5)


def test_a_phrase_that_stands_for_others_becomes_what_it_stands_for() -> None:
    known = bank()
    neighbours = Neighbours(20, TEXT, 0.05, unheard=2)
    meant = normalize(known.bank[[3, 5]] + known.bank[[7, 11]], dim=-1)
    neighbours.fill(Bank(known.bank, meant))
    blended, nearness = neighbours(known.bank)
    assert ((blended[:18] * known.bank[:18]).sum(dim=-1) > 0.99).all()
    assert ((blended[18:] * meant).sum(dim=-1) > 0.99).all()
    assert torch.allclose(nearness, torch.ones(20, 1), atol=1e-5)
    hidden = torch.arange(20) >= 18
    assert torch.allclose(neighbours(known.bank, hidden).embedding, known(known.bank, hidden).embedding)


def test_no_more_phrases_stand_for_others_than_there_are() -> None:
    with pytest.raises(ValidationError, match=r"unheard \(6\) is more than phrases \(5\) has"):
        MaskerConfig(**MASKER.model_dump() | {"phrases": 5, "unheard": 6})


def test_a_bank_that_is_hidden_altogether_still_gives_a_direction() -> None:
    neighbours = bank()
    blended, nearness = neighbours(neighbours.bank[:2], torch.ones(2, 20, dtype=torch.bool))
    assert blended.isfinite().all()
    assert (nearness == 0).all()


def test_a_prompt_is_as_near_as_the_nearest_phrase_that_is_not_hidden() -> None:
    neighbours = bank()
    prompts = normalize(neighbours.bank + 0.4 * neighbours.bank.roll(1, 0), dim=-1)
    hidden = torch.rand(20, 20, generator=torch.Generator().manual_seed(2)) < 0.5
    likeness = prompts @ neighbours.bank.T
    assert torch.allclose(neighbours(prompts).nearness, likeness.amax(-1, keepdim=True))
    seen = neighbours(prompts, hidden).nearness
    assert torch.allclose(seen[:, 0], likeness.masked_fill(hidden, 0).amax(-1))
    assert (seen < neighbours(prompts).nearness).any()
    assert torch.allclose(neighbours(neighbours.bank).nearness, torch.ones(20, 1), atol=1e-5)
    assert float(neighbours(-neighbours.bank[:1]).nearness) < 0.5


def test_the_bank_travels_with_the_bundle_and_steers_the_film_head(tmp_path: Path) -> None:
    config = MaskerConfig(**MASKER.model_dump() | {"phrases": 5, "unheard": 2, "temperature": 0.1})
    torch.manual_seed(0)
    separator = Separator(CODEC, config)
    assert separator.film_head.neighbours is not None
    words = normalize(torch.randn(5, config.text), dim=-1)
    meant = normalize(words[:2] + words[1:3], dim=-1)
    separator.film_head.neighbours.fill(Bank(words, meant))
    loaded = tiny_bundle(tmp_path, separator.eval()).separator.film_head
    assert loaded.neighbours is not None and loaded.neighbours.meant is not None
    assert torch.allclose(loaded.neighbours.bank, words, atol=1e-3)
    assert torch.allclose(loaded.neighbours.meant, meant, atol=1e-3)
    new = normalize(words[0] + 0.3 * torch.randn(config.text), dim=-1)
    with torch.no_grad():
        blended = loaded.neighbours(new).embedding
        loaded.neighbours = None
        assert torch.allclose(separator.film_head(new), loaded(blended), atol=2e-2)


def test_a_head_that_is_told_how_near_tells_new_words_from_known_ones_of_the_same_blend() -> None:
    config = MaskerConfig(**MASKER.model_dump() | {"phrases": 1, "nearness": True})
    torch.manual_seed(0)
    told, deaf = (
        Separator(CODEC, config.model_copy(update={"nearness": nearness})).film_head
        for nearness in (True, False)
    )
    known = normalize(torch.randn(config.text), dim=-1)
    new = normalize(known + normalize(torch.randn(config.text), dim=-1), dim=-1)
    for head in (told, deaf):
        assert head.neighbours is not None
        head.neighbours.bank.copy_(known[None])
    with torch.no_grad():
        assert torch.allclose(deaf(known), deaf(new), atol=1e-5)  # a bank of one phrase has one blend
        assert not torch.allclose(told(known), told(new), atol=1e-3)

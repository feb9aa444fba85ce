"""Phrases: how often a label is called what, and which labels each phrase asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from builders import BagOfWords
from torch import Tensor
from torch.nn.functional import normalize
from train_builders import LABELS, VOCABULARY, phrases

from rtsep.train.phrases import SHARES, TEMPLATES, Phrases, Prompts
from rtsep.train.pool import Clip, Pool
from rtsep.train.vocabulary import Unheard, Vocabulary

DRAWS = 2000


def draw(phrases: Phrases, label: str, noise: float = 0.0) -> Prompts:
    number = torch.full((DRAWS,), phrases.labels.index(label))
    return phrases.draw(number, torch.Generator().manual_seed(0), noise)


def said(prompts: Prompts, known: Sequence[str]) -> list[int]:
    """Which of the known phrases each prompt is; all must be one of them."""
    likeness = prompts.embeddings @ BagOfWords()(known).T
    assert torch.allclose(likeness.amax(dim=-1), torch.ones(len(likeness)), atol=1e-5)
    which: list[int] = likeness.argmax(dim=-1).tolist()
    return which


def asks_for(phrases: Phrases, covers: Tensor) -> set[str]:
    return {label for label, asked in zip(phrases.labels, covers.tolist(), strict=True) if asked}


def share(which: list[int], numbers: Sequence[int]) -> float:
    return sum(number in numbers for number in which) / len(which)


def test_a_label_is_asked_for_by_its_name_by_other_words_and_by_its_kinds(pool: Pool) -> None:
    same = [*VOCABULARY.says("hiss"), "a hiss is heard", *(form.format("hiss") for form in TEMPLATES)]
    noise, unpitched = ["noisy", "static"], ["unpitched"]
    which = said(draw(phrases(pool), "hiss"), ["hiss", *same, *noise, *unpitched])
    assert set(which) == set(range(len(same) + 4))
    assert share(which, [0]) == pytest.approx(SHARES[0], abs=0.04)
    assert share(which, range(1, len(same) + 1)) == pytest.approx(SHARES[1], abs=0.04)
    # Two kinds, one of them through the other, at the same share each.
    assert share(which, [len(same) + 1, len(same) + 2]) == pytest.approx(SHARES[2] / 2, abs=0.04)
    assert share(which, [len(same) + 3]) == pytest.approx(SHARES[2] / 2, abs=0.04)


def test_a_name_asks_for_its_label_and_a_kind_for_every_label_of_it(pool: Pool) -> None:
    drawer = phrases(pool)
    for label in LABELS:
        kinds = VOCABULARY.kinds_of(label, LABELS[label])
        of_kind = {
            kind: {other for other in LABELS if kind in VOCABULARY.kinds_of(other, "")} for kind in kinds
        }
        calls = {kind: VOCABULARY.kinds[kind].says or (kind,) for kind in kinds}
        own = [label, *VOCABULARY.says(label), f"a {label} is heard"]
        own += [form.format(label) for form in TEMPLATES]
        known = [(phrase, {label}) for phrase in own]
        for kind in kinds:
            of_kind = {other for other in LABELS if kind in VOCABULARY.kinds_of(other, "")}
            known += [(phrase, of_kind) for phrase in calls[kind]]
        prompts = draw(drawer, label)
        for number, covers in zip(
            said(prompts, [phrase for phrase, _ in known]), prompts.covers, strict=True
        ):
            assert asks_for(drawer, covers) == known[number][1], known[number][0]


def test_a_category_of_the_data_is_a_kind_of_its_labels(pool: Pool) -> None:
    drawer = phrases(pool, Vocabulary.model_validate({"kinds": {"music": {"says": ["a tune"]}}}))
    asked = {frozenset(asks_for(drawer, covers)) for covers in draw(drawer, "low tone").covers}
    assert asked == {frozenset({"low tone"}), frozenset({"low tone", "middle tone", "high tone"})}
    assert {frozenset(asks_for(drawer, covers)) for covers in draw(drawer, "hiss").covers} == {
        frozenset({"hiss"})
    }


def test_a_label_without_a_kind_shares_what_kinds_would_have(pool: Pool) -> None:
    which = said(
        draw(phrases(pool, Vocabulary()), "click"),
        ["click", "a click is heard", *(form.format("click") for form in TEMPLATES)],
    )
    assert share(which, [0]) == pytest.approx(SHARES[0] / (SHARES[0] + SHARES[1]), abs=0.04)


def test_captions_that_no_prompt_could_be_are_left_out_and_others_counted() -> None:
    captions = ["x" * 301, "", *(f"caption number {number}" for number in range(9))]
    clips = [Clip("dog", caption, "event", 0, 10) for caption in captions]
    drawer = Phrases(clips, BagOfWords(), Vocabulary(), captions=3)
    known = ["dog", *(form.format("dog") for form in TEMPLATES), *captions[2:5]]
    assert set(said(draw(drawer, "dog"), known)) == set(range(len(known)))


def test_noise_moves_an_embedding_by_up_to_its_length_and_leaves_it_one_long(pool: Pool) -> None:
    drawer = phrases(pool, Vocabulary())
    clean, noisy = draw(drawer, "hiss"), draw(drawer, "hiss", noise=0.6)
    assert torch.allclose(noisy.embeddings.norm(dim=-1), torch.ones(DRAWS), atol=1e-5)
    assert torch.equal(clean.covers, noisy.covers)
    # The same draws with noise at a right angle, nearly, of any length up to that: 1 / sqrt(1 + length ** 2).
    cosine = (clean.embeddings * noisy.embeddings).sum(dim=-1)
    assert cosine.mean().item() == pytest.approx(math.asinh(0.6) / 0.6, abs=0.02)
    assert cosine.quantile(0.05).item() == pytest.approx((1 + 0.57**2) ** -0.5, abs=0.05)


def test_the_bank_has_labels_synonyms_and_kinds_and_hides_a_labels_own_as_often_as_told(pool: Pool) -> None:
    known = phrases(pool)
    number = torch.full((DRAWS,), known.labels.index("hiss"))
    prompts = known.draw(number, torch.Generator().manual_seed(0), 0.0, hide=0.3)
    own = BagOfWords()(["hiss", "white noise", "ssh"])
    hidden = prompts.hidden.any(dim=-1)
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=0.04)
    by_a_kind = prompts.covers.sum(dim=-1) > 1  # whose own phrases are hidden as well, see below
    concealed = known.bank.phrases[prompts.hidden[hidden & ~by_a_kind][0]]
    assert len(concealed) == len(own)
    assert torch.allclose((concealed @ own.T).amax(dim=-1), torch.ones(3), atol=1e-5)
    for phrase in ("a pure tone", "noisy", "rumble", "unpitched"):
        assert (known.bank.phrases @ BagOfWords()([phrase])[0]).max() > 0.999
    assert not known.draw(number, torch.Generator().manual_seed(0), 0.0).hidden.any()


def phrase(known: Phrases, words: str) -> int:
    """Where a phrase lies in the bank."""
    return int((known.bank.phrases @ BagOfWords()([words])[0]).argmax())


def test_with_a_new_words_own_phrases_those_of_others_are_hidden_by_a_share_drawn_for_it(pool: Pool) -> None:
    known = phrases(pool)
    number = torch.full((DRAWS,), known.labels.index("hiss"))
    prompts = known.draw(number, torch.Generator().manual_seed(0), 0.0, hide=0.5, hide_others=(0.1, 0.7))
    own, *others = (
        prompts.hidden[:, phrase(known, words)]
        for words in ("hiss", "click", "rumble", "high tone", "a pure tone")
    )
    assert own.float().mean().item() == pytest.approx(0.5, abs=0.05)
    for other in others:
        assert other[own].float().mean().item() == pytest.approx(0.4, abs=0.06)
        assert not other[~own].any()
    # One share for all others of a prompt: more often none or all of them than four separate coins would be.
    hidden = torch.stack(others, dim=-1)[own].sum(dim=-1)
    apart = (hidden == 0) | (hidden == len(others))
    assert apart.float().mean().item() > 0.6**4 + 0.4**4 + 0.04


def test_a_kind_that_is_made_a_new_word_has_its_own_phrases_hidden_too(pool: Pool) -> None:
    known = phrases(pool)
    number = torch.full((DRAWS,), known.labels.index("hiss"))
    prompts = known.draw(number, torch.Generator().manual_seed(0), 0.0, hide=1.0)
    of_kind = prompts.covers.sum(dim=-1) == 2  # "noise": hiss and rumble
    assert of_kind.any()
    for words in ("noisy", "static"):
        assert torch.equal(prompts.hidden[:, phrase(known, words)], of_kind)


def test_other_words_are_understood_without_themselves_and_half_of_those_that_mean_the_same(
    pool: Pool,
) -> None:
    known = phrases(pool)
    number = torch.full((DRAWS,), known.labels.index("hiss"))
    prompts = known.draw(number, torch.Generator().manual_seed(0), 0.0, hide_partly=0.5)
    of_label = prompts.covers.sum(dim=-1) == 1
    for words in ("hiss", "white noise", "ssh"):
        itself = of_label & ((prompts.embeddings @ BagOfWords()([words])[0]) > 0.999)
        assert prompts.hidden[itself, phrase(known, words)].float().mean().item() == pytest.approx(
            0.5, abs=0.08
        )
        share = prompts.hidden[of_label & ~itself, phrase(known, words)].float().mean().item()
        assert share == pytest.approx(0.25, abs=0.05)
    for words in ("rumble", "high tone"):
        assert not prompts.hidden[:, phrase(known, words)].any()
    plain = known.draw(
        number,
        torch.Generator().manual_seed(0),
        0.0,
        hide=0.5,
        hide_partly=0.5,
        known=torch.ones(DRAWS, dtype=torch.bool),
    )
    assert not plain.hidden.any()


def test_no_new_word_is_made_of_phrases_for_something_else_that_sounds(pool: Pool) -> None:
    known = phrases(pool)
    number = torch.full((DRAWS,), known.labels.index("hiss"))
    sounding = torch.zeros(1, len(known.labels))
    sounding[0, [known.labels.index(label) for label in ("hiss", "high tone")]] = 1
    generator = torch.Generator().manual_seed(0)
    prompts = known.draw(number, generator, 0.0, hide=0.5, sounding=sounding)
    own, same, kind, other = (
        prompts.hidden[:, phrase(known, words)]
        for words in ("hiss", "high tone", "whistling tone", "low tone")
    )
    assert torch.equal(own, same) and torch.equal(own, kind)
    assert not other.any()


UNHEARD = VOCABULARY.model_copy(
    update={
        "unheard": {
            "siren": Unheard(says=("alarm", "hiss"), like=("low tone", "high tone")),
            "waterfall": Unheard(like=("hiss", "no such label")),
            "yeti": Unheard(like=("no such label",)),
        }
    }
)


def test_words_for_what_is_not_recorded_stand_for_the_labels_that_are_like_it(pool: Pool) -> None:
    bank, words = phrases(pool, UNHEARD).bank, BagOfWords()
    assert torch.equal(bank.phrases[:-3], phrases(pool).bank.phrases)
    assert torch.allclose(bank.phrases[-3:], words(["siren", "alarm", "waterfall"]))  # "hiss" is recorded
    tones = normalize(words(["low tone", "high tone"]).sum(dim=0), dim=-1)
    assert torch.allclose(bank.meant, torch.stack([tones, tones, words(["hiss"])[0]]), atol=1e-6)
    assert phrases(pool).bank.meant.shape == (0, words.dim)


def test_what_stands_for_a_new_words_label_is_hidden_from_it_and_what_stands_for_other_sounds(
    pool: Pool,
) -> None:
    known = phrases(pool, UNHEARD)
    number = torch.full((DRAWS,), known.labels.index("hiss"))
    sounding = torch.zeros(1, len(known.labels))
    sounding[0, known.labels.index("hiss")] = 1
    prompts = known.draw(number, torch.Generator().manual_seed(0), 0.0, hide=0.5, sounding=sounding)
    own = prompts.hidden[:, phrase(known, "hiss")]
    siren, waterfall = (prompts.hidden[:, phrase(known, words)] for words in ("siren", "waterfall"))
    assert 0 < own.sum() < DRAWS
    assert torch.equal(waterfall, own) and not siren.any()
    sounding[0, known.labels.index("high tone")] = 1
    prompts = known.draw(number, torch.Generator().manual_seed(0), 0.0, hide=0.5, sounding=sounding)
    assert torch.equal(prompts.hidden[:, phrase(known, "siren")], own)

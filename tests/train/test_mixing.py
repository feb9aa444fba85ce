"""Mixtures made on the fly: balance, levels, and who is asked for what."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from builders import MASKER
from torch import Tensor
from train_builders import LABELS, MIXING, RATE, VOCABULARY, mixer

from rtsep.errors import ConfigError
from rtsep.train.mixing import Mixer
from rtsep.train.mixture import Batch, MixingConfig
from rtsep.train.pool import Clip, Pool
from rtsep.train.vocabulary import Entry, Vocabulary


def draw_with_sources(drawer: Mixer) -> tuple[Tensor, Batch]:
    """A batch, and the levelled sources (B, S, T) that its mixtures are sums of."""
    kept = []
    shaper = drawer._shaper

    def keep(*arguments: Any, **named: Any) -> Tensor:
        kept.append(shaper(*arguments, **named))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawer, "_shaper", keep)
        batch = drawer.draw()
    return kept[0], batch


def test_the_same_seed_gives_the_same_batches_and_another_others(pool: Pool) -> None:
    one, same, other = mixer(pool, seed=3), mixer(pool, seed=3), mixer(pool, seed=4)
    for _ in range(3):
        a, b, c = one.draw(), same.draw(), other.draw()
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
        assert not torch.equal(a.mixture, c.mixture)


def test_a_batch_has_the_configured_shape_and_loudness(pool: Pool) -> None:
    length = round(MIXING.seconds * RATE)
    low, high = MIXING.loudness_dbfs
    drawer = mixer(pool)
    for _ in range(10):
        batch = drawer.draw()
        assert batch.mixture.shape == (6, 1, length)
        assert batch.targets.shape == (6, 2, length)
        assert batch.embeddings.shape == (6, 2, MASKER.text)
        assert batch.mixture.isfinite().all()
        level = 10 * batch.mixture.square().mean(dim=(1, 2)).log10()
        assert float(level.max()) <= high + 0.1
        assert float(level.median()) >= low - 1
        assert torch.allclose(batch.embeddings.norm(dim=-1), torch.ones(6, 2), atol=1e-5)


def test_targets_are_the_sources_and_zero_where_the_prompt_names_nothing(pool: Pool) -> None:
    config = MIXING.model_copy(update={"sources": (0.5, 0.5), "absent": 0.0, "batch": 20})
    batch = mixer(pool, config, vocabulary=Vocabulary()).draw()
    silent_target = (batch.targets == 0).all(dim=-1)
    assert not silent_target[:, 0].any()
    assert 0 < int(silent_target[:, 1].sum()) < 20  # as many as mixtures of one source
    assert torch.allclose(batch.targets.sum(dim=1, keepdim=True), batch.mixture, atol=1e-6)
    every = config.model_copy(update={"absent": 1.0})
    absent = mixer(pool, every, vocabulary=Vocabulary()).draw()
    assert (absent.targets[:, 1] == 0).all()
    assert not (absent.targets[:, 0] == 0).all(dim=-1).any()


def test_categories_and_labels_are_drawn_as_configured(pool: Pool) -> None:
    shares = {"event": 0.25, "music": 0.75}
    drawer = mixer(pool, MIXING.model_copy(update={"categories": shares}))
    labels = drawer.phrases.labels
    count = Counter(LABELS[labels[first]] for first in drawer._labels(1500)[:, 0].tolist())
    assert count["music"] / 1500 == pytest.approx(0.75, abs=0.05)
    weight = dict(zip(labels, drawer._label_weight.tolist(), strict=True))
    assert all(value > 0 for value in weight.values())
    assert sum(weight.values()) == pytest.approx(1)


def test_labels_that_mean_nearly_the_same_never_meet(pool: Pool) -> None:
    drawer = mixer(pool)
    likeness = drawer.phrases.likeness()
    labels = drawer._labels(300)
    assert labels.shape == (300, 2)
    assert (likeness[labels[:, 0], labels[:, 1]] < MIXING.likeness).all()
    sounding = drawer._sounding(labels, torch.ones(300, 2, dtype=torch.bool))
    absent = drawer._absent(sounding)
    assert (likeness[labels, absent[:, None]] < MIXING.likeness).all()
    assert len(absent.unique()) == len(drawer.phrases.labels)


AKIN = {
    *itertools.combinations(("click", "hiss", "rumble"), 2),
    *itertools.combinations(("high tone", "low tone", "middle tone"), 2),
}


def test_an_absent_sound_may_be_of_one_kind_with_what_sounds(pool: Pool) -> None:
    category = {"event": Entry(), "music": Entry()}  # to be of one of these is no kinship
    vocabulary = Vocabulary(kinds=VOCABULARY.kinds | category, labels=VOCABULARY.labels)
    drawer = mixer(pool, vocabulary=vocabulary)
    names, kin = drawer.phrases.labels, drawer.phrases.akin()
    assert {(names[one], names[other]) for one, other in kin.nonzero().tolist() if one < other} == AKIN
    present = torch.tensor([[names.index(label)] for label in ("click", "hiss", "rumble") for _ in range(50)])
    sounding = drawer._sounding(present, torch.ones_like(present, dtype=torch.bool))
    absent = drawer._absent(sounding, torch.ones(len(present), dtype=torch.bool))
    assert kin[present[:, 0], absent].all()
    assert (present[:, 0] != absent).all()
    alone = torch.zeros(1, len(names))
    assert drawer._absent(alone, torch.ones(1, dtype=torch.bool)).shape == (
        1,
    )  # nothing is of one kind with it


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(
            MIXING.model_copy(update={"sources": (0.1, 0.1, 0.1, 0.7), "prompts": 4}), id="few-labels"
        ),
        pytest.param(MIXING.model_copy(update={"likeness": -1.0}), id="all-alike"),
        pytest.param(
            MIXING.model_copy(
                update={"categories": {"event": 1.0, "music": 0}, "sources": (0.1, 0.1, 0.1, 0.7)}
            ),
            id="few-of-them",
        ),
    ],
)
def test_a_pool_that_cannot_fill_a_mixture_is_refused_in_one_line(pool: Pool, config: MixingConfig) -> None:
    with pytest.raises(ConfigError) as caught:
        mixer(pool, config).draw()
    assert "\n" not in str(caught.value)


def test_a_category_that_would_never_be_drawn_is_named(pool: Pool) -> None:
    with pytest.raises(ConfigError, match="the data has the category 'music': give it a share"):
        mixer(pool, MIXING.model_copy(update={"categories": {"event": 1.0}}))


def test_a_prompt_for_a_kind_gets_every_source_of_that_kind_and_no_other(pool: Pool) -> None:
    config = MIXING.model_copy(
        update={"sources": (0.0, 0.0, 1.0), "prompts": 1, "batch": 30, "likeness": 0.999}
    )
    drawer = mixer(pool, config)
    single = several = 0
    for _ in range(5):
        sources, batch = draw_with_sources(drawer)
        for item in range(config.batch):
            # Which of the three sources add up to the target, by least squares.
            weight = torch.linalg.lstsq(sources[item].T, batch.targets[item].T).solution.flatten()
            asked = weight.round()
            assert torch.allclose(weight, asked, atol=1e-3)
            assert asked[0] == 1  # whatever the prompt is, it covers the label it was drawn for
            assert set(asked.tolist()) <= {0.0, 1.0}
            single += int(asked.sum()) == 1
            several += int(asked.sum()) > 1
    assert single > 30
    assert several > 15


def test_an_absent_kind_still_gets_what_is_of_it(pool: Pool) -> None:
    config = MIXING.model_copy(update={"sources": (1.0,), "prompts": 2, "batch": 200, "likeness": 0.999})
    batch = mixer(pool, config).draw()
    # The second prompt is drawn for a label that does not sound, but a kind of it may cover what does.
    silent = (batch.targets[:, 1] == 0).all(dim=-1)
    whole = torch.isclose(batch.targets[:, 1], batch.mixture[:, 0], atol=1e-6).all(dim=-1)
    assert (silent | whole).all()
    assert 2 < int(whole.sum()) < 60


def test_a_sound_that_nobody_knows_is_asked_for_by_a_new_word_and_by_nobody_else(pool: Pool) -> None:
    config = MIXING.model_copy(
        update={
            "sources": (0.0, 0.0, 1.0),
            "prompts": 1,
            "batch": 200,
            "likeness": 0.999,
            "hide": 0.0,
            "strange": {"event": 1.0},
        }
    )
    sources, batch = draw_with_sources(mixer(pool, config))
    by_a_new_word = batch.hidden.any(dim=-1)[:, 0]
    assert by_a_new_word.float().mean().item() == pytest.approx(MIXING.categories["event"], abs=0.1)
    weight = torch.linalg.lstsq(sources.transpose(1, 2), batch.targets.transpose(1, 2)).solution[..., 0]
    asked = weight.round()
    assert torch.allclose(weight, asked, atol=1e-3)
    # Sounds of a kind that nobody knows are asked for one at a time, those that are known still together.
    sounds = sources[:, 0].abs().amax(dim=-1) > 0  # a crop of clicks may have none
    assert torch.equal(asked[:, 0] == 1, sounds)
    assert (asked[by_a_new_word & sounds].sum(dim=-1) == 1).all()
    assert (asked[~by_a_new_word].sum(dim=-1) > 1).any()


def of_recordings(*numbers: tuple[str, int, int]) -> Pool:
    """Labels of one category, each so many recordings of so many clips of a second."""
    clips = [
        Clip(label, "", "event", 0, RATE, f"{label} {recording}")
        for label, recordings, each in numbers
        for recording in range(recordings)
        for _ in range(each)
    ]
    return Pool(np.full(RATE, 1000, np.int16), tuple(clips), RATE)


def test_labels_are_drawn_by_their_recordings_and_not_by_their_clips() -> None:
    config = MIXING.model_copy(update={"categories": {"event": 1.0}, "likeness": 0.999})
    pool = of_recordings(("hiss", 16, 1), ("rumble", 1, 16), ("click", 1, 1))
    for balance, of_hiss in ((0.5, 4 / 7), (1.0, 16 / 21)):  # a recording in 16 pieces is worth four
        drawer = mixer(pool, config.model_copy(update={"balance": balance}))
        weight = dict(zip(drawer.phrases.labels, drawer._label_weight.tolist(), strict=True))
        assert weight["hiss"] == pytest.approx(of_hiss)
        assert weight["rumble"] == pytest.approx(weight["click"] * 4**balance)


def test_clips_of_a_label_are_drawn_as_often_as_they_are_worth() -> None:
    config = MIXING.model_copy(update={"categories": {"event": 1.0}, "likeness": 0.999})
    in_four, of_one = of_recordings(("hiss", 1, 4)), of_recordings(("hiss", 1, 1))
    alone = tuple(replace(clip, group="") for clip in of_one.clips * 2)
    others = of_recordings(("click", 2, 1), ("rumble", 3, 1))
    pool = Pool(others.samples, (*others.clips, *in_four.clips, *alone), RATE)
    drawer = mixer(pool, config)
    drawn = drawer._draw_clips(torch.full((4000,), drawer.phrases.labels.index("hiss")))
    assert {pool.clips[number].label for number in drawn.tolist()} == {"hiss"}
    count = Counter(drawn.tolist())
    assert [count[number] for number in range(5, 11)] == pytest.approx([500] * 4 + [1000] * 2, rel=0.15)


def test_a_label_may_sound_twice_at_once_from_two_recordings_and_is_asked_for_as_one() -> None:
    config = MIXING.model_copy(
        update={
            "categories": {"event": 1.0},
            "likeness": 0.999,
            "sources": (1.0, 0.0),
            "together": 1.0,
            "absent": 0.0,
        }
    )
    pool = of_recordings(("hiss", 4, 1), ("rumble", 1, 4), ("click", 1, 1))
    drawer = mixer(pool, config.model_copy(update={"batch": 100}))
    sources, batch = draw_with_sources(drawer)
    twice = sources.abs().amax(dim=-1)[:, 1] > 0
    hiss = drawer.phrases.labels.index("hiss")
    share = float(drawer._label_weight[hiss])
    # Only hiss has another recording; one draw in four is the same one again.
    assert float(twice.float().mean()) == pytest.approx(0.75 * share, abs=0.12)
    assert torch.allclose(batch.targets[:, 0], batch.mixture[:, 0], atol=1e-6)
    assert (batch.targets[twice, 1] == 0).any()

"""Prompts are computed once: then they come from memory or disk, and the text encoder stays away."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from builders import BagOfWords, random_films, tiny_bundle, tiny_separator
from safetensors.torch import save_file

from rtsep.control import SetPrompts
from rtsep.errors import CommandError
from rtsep.models.bundle import Bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.models.text import TEXT_ENCODERS


class Encoders:
    """Counts how often the encoder is loaded; can be taken away."""

    def __init__(self) -> None:
        self.loaded = 0
        self.gone = False

    def __call__(self) -> BagOfWords:
        assert not self.gone, "the text encoder was loaded"
        self.loaded += 1
        return BagOfWords()


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> Encoders:
    made = Encoders()
    monkeypatch.setitem(TEXT_ENCODERS, "bag-of-words", made)
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path / "bundle")


def test_a_prompt_becomes_what_the_film_head_makes_of_it(
    bundle: Bundle, tmp_path: Path, encoders: Encoders
) -> None:
    film = FilmCache(bundle, tmp_path / "films")("Dog  barking")
    assert torch.equal(film, bundle.separator.film_head(BagOfWords()(["dog barking"]))[0])
    assert encoders.loaded == 1


def test_a_cached_prompt_never_loads_the_encoder(bundle: Bundle, tmp_path: Path, encoders: Encoders) -> None:
    films = FilmCache(bundle, tmp_path / "films")
    first = films("dog")
    encoders.gone = True
    assert torch.equal(films(" DOG "), first)
    assert torch.equal(FilmCache(bundle, tmp_path / "films")("dog"), first)
    with pytest.raises(AssertionError, match="the text encoder was loaded"):
        films("cat")


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other-key", "other-shape", "not-finite"])
def test_a_damaged_file_is_computed_again(
    bundle: Bundle, tmp_path: Path, encoders: Encoders, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    first = FilmCache(bundle, tmp_path / "films")("dog")
    (path,) = (tmp_path / "films").rglob("*.safetensors")
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-3])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("no tensors here, but long enough for a header")
        case "other-key":
            save_file({"mask": first.contiguous()}, path)
        case "other-shape":
            save_file({"film": torch.zeros(3)}, path)
        case "not-finite":
            save_file({"film": torch.full_like(first, torch.nan)}, path)
    assert torch.equal(FilmCache(bundle, tmp_path / "films")("dog"), first)
    assert encoders.loaded == 2
    encoders.gone = True
    assert torch.equal(FilmCache(bundle, tmp_path / "films")("dog"), first)


def test_another_bundle_does_not_share_what_is_cached(
    bundle: Bundle, tmp_path: Path, encoders: Encoders
) -> None:
    first = FilmCache(bundle, tmp_path / "films")("dog")
    other = FilmCache(tiny_bundle(tmp_path / "other", tiny_separator(seed=9)), tmp_path / "films")("dog")
    assert encoders.loaded == 2
    assert not torch.allclose(first, other)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    bundle: Bundle, tmp_path: Path, encoders: Encoders
) -> None:
    (tmp_path / "films").write_text("a file where the folder should be")
    films = FilmCache(bundle, tmp_path / "films")
    assert torch.equal(films("dog"), films("dog"))
    assert encoders.loaded == 1


@pytest.mark.parametrize("prompt", ["", "   ", "x" * 10_000])
def test_an_impossible_prompt_is_refused_and_not_remembered(
    bundle: Bundle, tmp_path: Path, encoders: Encoders, prompt: str
) -> None:
    with pytest.raises(CommandError):
        FilmCache(bundle, tmp_path / "films")(prompt)
    assert encoders.loaded == 0
    assert not (tmp_path / "films").exists()


def test_prompts_become_a_condition() -> None:
    rows = dict(zip("abc", random_films(tiny_separator(), 3), strict=True))
    both = Condition.of(SetPrompts(("a", "b"), ("c",)), rows.__getitem__)
    assert torch.equal(both.film, torch.stack(list(rows.values())))
    assert (both.mix.base.item(), both.mix.keep.tolist(), both.mix.remove.tolist()) == (
        0,
        [1, 1, 0],
        [0, 0, 1],
    )
    removed = Condition.of(SetPrompts((), ("c",)), rows.__getitem__)
    assert (removed.mix.base.item(), removed.mix.keep.tolist(), removed.mix.remove.tolist()) == (1, [0], [1])


@pytest.mark.parametrize(("before", "after"), [("a", "ab"), ("ab", "c"), ("a", "b")])
def test_a_condition_moves_to_another_of_any_number_of_prompts(before: str, after: str) -> None:
    rows = dict(zip("abc", random_films(tiny_separator(), 3), strict=True))
    start = Condition.of(SetPrompts(tuple(before)), rows.__getitem__)
    end = Condition.of(SetPrompts((), tuple(after)), rows.__getitem__)
    masks = torch.rand(1, 3, 4, 2)
    one, other = start.beside(end)
    assert len(one) == len(other) == max(len(before), len(after))
    assert torch.allclose(one.mix(masks[:, : len(one)]), start.mix(masks[:, : len(start)]))
    assert torch.allclose(other.mix(masks[:, : len(one)]), end.mix(masks[:, : len(end)]))
    half = one.toward(other, 0.5)
    assert torch.allclose(half.film, (one.film + other.film) / 2)
    assert half.mix.base.item() == 0.5
    assert torch.equal(one.toward(other, 1.0).film, other.film)

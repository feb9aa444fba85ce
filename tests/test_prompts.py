"""Prompts are computed once: then they come from memory or disk, and the text encoder stays away."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from builders import BagOfWords, tiny_bundle, tiny_separator
from safetensors.torch import save_file

from rtsep.errors import CommandError
from rtsep.models import prompts
from rtsep.models.bundle import Bundle
from rtsep.models.prompts import FilmCache, FilmTable
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


def test_a_prompt_is_known_once_it_was_asked_for_in_any_case_and_after_a_restart(
    bundle: Bundle, tmp_path: Path, encoders: Encoders
) -> None:
    films = FilmCache(bundle, tmp_path / "films")
    assert not films.knows("dog")
    films("dog")
    encoders.gone = True
    assert films.knows(" DOG ")
    assert not films.knows("cat")
    again = FilmCache(bundle, tmp_path / "films")
    assert again.knows("dog")
    (path,) = (tmp_path / "films").rglob("*.safetensors")
    path.unlink()
    assert torch.equal(again("dog"), films("dog"))  # from memory: to know is to have
    assert not FilmCache(bundle, tmp_path / "films").knows("dog")


def test_a_damaged_prompt_is_not_known(bundle: Bundle, tmp_path: Path, encoders: Encoders) -> None:
    FilmCache(bundle, tmp_path / "films")("dog")
    (path,) = (tmp_path / "films").rglob("*.safetensors")
    path.write_bytes(b"")
    assert not FilmCache(bundle, tmp_path / "films").knows("dog")


@pytest.mark.parametrize("prompt", ["", "   ", "x" * 301])
def test_an_impossible_prompt_is_refused_by_the_question_as_well(
    bundle: Bundle, tmp_path: Path, encoders: Encoders, prompt: str
) -> None:
    with pytest.raises(CommandError):
        FilmCache(bundle, tmp_path / "films").knows(prompt)


def test_a_table_knows_what_is_in_it() -> None:
    table = FilmTable(dog=torch.ones(3))
    assert table.knows("dog")
    assert not table.knows("cat")
    assert torch.equal(table("dog"), torch.ones(3))


def test_a_flood_of_words_fills_neither_memory_nor_disk(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "MOST_ON_DISK", 10)
    monkeypatch.setattr(prompts, "TIDY_EVERY", 5)
    films = FilmCache(bundle, tmp_path, lambda _, words: torch.ones(1, bundle.config.masker.text))
    films._memory = prompts.Recent(4)
    for number in range(100):
        films(f"sound {number}")
    assert list(films._memory) == [f"sound {number}" for number in range(96, 100)]
    assert len(list(tmp_path.rglob("*.safetensors"))) < 16
    assert films.knows("sound 99")
    assert not films.knows("sound 1")

"""The vocabulary: what ships is sound and keeps the held-out paraphrases out; errors are one line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

import rtsep.evaluate
from rtsep.errors import ConfigError
from rtsep.models.text import clean_prompt
from rtsep.train.phrases import TEMPLATES
from rtsep.train.vocabulary import read_vocabulary

PARAPHRASES = Path(rtsep.evaluate.__file__).parent / "paraphrases.toml"


def test_every_phrase_that_ships_is_a_prompt_and_stands_once_in_its_entry() -> None:
    vocabulary = read_vocabulary()
    assert {"event", "music"} <= vocabulary.kinds.keys()
    for table in (vocabulary.labels, vocabulary.kinds):
        for name, entry in table.items():
            assert name == name.strip()
            cleaned = [clean_prompt(phrase) for phrase in entry.says]
            assert len(set(cleaned)) == len(cleaned), name


def test_no_held_out_paraphrase_is_trained_on() -> None:
    vocabulary, paraphrases = read_vocabulary(), tomllib.loads(PARAPHRASES.read_text(encoding="utf-8"))
    held_out = {clean_prompt(phrase) for phrases in paraphrases.values() for phrase in phrases}
    # Nor a label that is never trained on, as another way of saying one that is.
    held_out |= {clean_prompt(label) for label in paraphrases if label not in vocabulary.labels}
    trained = {clean_prompt(phrase) for entry in vocabulary.labels.values() for phrase in entry.says}
    trained |= {clean_prompt(phrase) for entry in vocabulary.kinds.values() for phrase in entry.says}
    trained |= {clean_prompt(name) for name in (*vocabulary.labels, *vocabulary.kinds)}
    trained |= {clean_prompt(form.format(label)) for form in TEMPLATES for label in vocabulary.labels}
    assert len(held_out) > 200
    assert not held_out & trained


def words(phrases: Iterable[str]) -> set[str]:
    """Words of more than three letters."""
    return {word for phrase in phrases for word in re.findall("[a-z]{4,}", phrase.lower())}


def stems(phrases: Iterable[str]) -> set[str]:
    """What words of more than three letters begin with."""
    return {word[:5] for word in words(phrases)}


def test_a_sound_that_is_not_recorded_is_like_labels_and_is_none_that_the_figures_count_as_new() -> None:
    vocabulary, paraphrases = read_vocabulary(), tomllib.loads(PARAPHRASES.read_text(encoding="utf-8"))
    entries = vocabulary.unheard.items()
    named = {clean_prompt(phrase) for name, entry in entries for phrase in (name, *entry.says)}
    assert len(named) == sum(1 + len(entry.says) for _, entry in entries) > 200
    assert all(set(entry.like) <= vocabulary.labels.keys() for _, entry in entries)
    assert not named & {clean_prompt(phrase) for phrases in paraphrases.values() for phrase in phrases}
    # None is said with a word, or is a part, of what dev counts as never trained on or of how it is put.
    labels = [label for label in paraphrases if label not in vocabulary.labels]
    new = [phrase for label in labels for phrase in (label, *paraphrases[label])]
    tables = (vocabulary.labels, vocabulary.kinds)
    trained = [phrase for table in tables for name in table for phrase in (name, *table[name].says)]
    assert not stems(named) & (stems(new) - stems(trained))
    assert not [(word, name) for word in words(labels) - words(trained) for name in named if word in name]
    assert not [(name, phrase) for name in named for phrase in new if f" {name} " in f" {phrase} "]


def test_kinds_are_found_through_kinds_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text(
        '[kinds]\nbird = { kinds = ["animal", "nature"] }\nanimal = { kinds = ["nature", "bird"] }\n'
        'nature = {}\nevent = {}\n[labels]\nwren = { kinds = ["bird"], says = ["jenny wren"] }\n'
    )
    vocabulary = read_vocabulary(path)
    assert vocabulary.kinds_of("wren", "event") == ("bird", "event", "animal", "nature")
    assert vocabulary.kinds_of("unheard of", "event") == ("event",)
    assert vocabulary.kinds_of("unheard of", "no such category") == ()
    assert vocabulary.says("wren") == ("jenny wren",)
    assert vocabulary.says("unheard of") == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the vocabulary"),
        (b"\xff", "cannot read the vocabulary"),
        (b"[labels", "cannot read the vocabulary"),
        (b"words = 3\n", "words: Extra inputs are not permitted"),
        (
            b'[labels]\ndog = { say = ["hound"] }\n',
            r"labels.dog.say: .* \(an entry has says and kinds, one of the unheard .*\)",
        ),
        (b'[labels]\ndog = "hound"\n', "labels.dog: .*an entry has says and kinds"),
        (b'[unheard]\nyeti = { says = ["bigfoot"] }\n', r"unheard.yeti.like: .*says and like\)"),
        (b"[unheard]\nyeti = { like = [] }\n", r"unheard.yeti.like: .*at least 1 item"),
        (b'[labels]\ndog = { kinds = ["animal"] }\n', "'dog' is of kind 'animal', which the table 'kinds'"),
        (b'[kinds]\nbird = { kinds = ["animal"] }\n', "'bird' is of kind 'animal', which the table 'kinds'"),
    ],
)
def test_a_bad_vocabulary_is_named_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "words.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        read_vocabulary(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)

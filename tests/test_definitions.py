"""The dictionary: nouns are found in any phrase, and the text encoder understands rare ones by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rtsep.models.definitions import Definitions
from rtsep.models.text import DefinedMiniLM, MiniLM
from rtsep.train.wordnet import condense

NOUNS = """\
  1 Free to use.
00000001 06 n 02 marimba 0 xylophone 1 001 @ 00000009 n 0000 | a percussion instrument; "he plays it"
00000002 05 n 01 mouse 0 000 | a small rodent
00000003 06 n 01 mouse 1 000 | a hand-operated device
00000004 06 n 01 sewing_machine 0 000 | a textile machine; for sewing
00000005 06 n 01 machine 0 000 | a device that works
00000006 24 n 01 quiet 0 000 | the absence of sound
"""
EXCEPTIONS = "mice mouse\noxen ox\nsewing_machinae sewing_machine\n"


@pytest.fixture
def small(tmp_path: Path) -> Definitions:
    (tmp_path / "data.noun").write_text(NOUNS, encoding="latin-1")
    (tmp_path / "noun.exc").write_text(EXCEPTIONS, encoding="latin-1")
    condense(tmp_path, tmp_path / "out.xz")
    return Definitions(tmp_path / "out.xz")


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("marimba", [["a percussion instrument"]]),
        ("xylophones", [["a percussion instrument"]]),
        ("three blind mice", [["a small rodent", "a hand-operated device"]]),
        ("sewing machines and a machine", [["a textile machine; for sewing"], ["a device that works"]]),
        ("sewing machinae", [["a textile machine; for sewing"]]),
        ("quiet", []),  # no kind of noun that sounds
        ("oxen", []),  # what no line defines
        ("", []),
    ],
)
def test_nouns_are_found_the_longest_first_in_singular_or_plural(
    small: Definitions, phrase: str, found: list[list[str]]
) -> None:
    assert [meanings for _, meanings in small.look_up(phrase)] == found


def test_the_shipped_dictionary_begins_with_its_licence_and_knows_common_and_rare_nouns() -> None:
    import lzma

    from rtsep.models.definitions import SHIPPED

    with lzma.open(SHIPPED, "rt", encoding="utf-8") as file:
        assert "Princeton University" in file.read(2000)
    shipped = Definitions()
    assert "bell in a church tower" in shipped.look_up("the church bells")[0][1][0]
    assert len(shipped.look_up("a geese choir")) == 2
    assert shipped.look_up("of the and a to with") == []


@pytest.fixture(scope="module")
def encoder() -> DefinedMiniLM:
    return DefinedMiniLM()


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [("marimba", "xylophone", "cymbal"), ("koto", "harp", "koala"), ("sitar", "guitar", "woodpecker")],
)
def test_a_rare_word_is_understood_by_its_definition_and_not_by_its_spelling(
    encoder: DefinedMiniLM, word: str, near: str, far: str
) -> None:
    found, plain = encoder([word, near, far]), MiniLM()([word, near, far])
    assert float(found[0] @ found[1]) > float(found[0] @ found[2])
    assert float((found[0] @ found[1]) - (found[0] @ found[2])) > float(
        (plain[0] @ plain[1]) - (plain[0] @ plain[2])
    )


def test_what_has_no_definition_is_embedded_as_it_is_and_company_changes_nothing(
    encoder: DefinedMiniLM,
) -> None:
    phrases = ["ssh", "dog barking", "marimba"]
    together = encoder(phrases)
    assert torch.allclose(together[:1], MiniLM()(["ssh"]), atol=1e-5)
    assert torch.allclose(together.norm(dim=-1), torch.ones(3), atol=1e-5)
    assert torch.allclose(together, torch.cat([encoder([phrase]) for phrase in phrases]), atol=1e-5)

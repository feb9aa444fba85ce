"""A table of gathered sounds: nothing that is held out or evaluated on gets in."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from sound_builders import NOBODY, RATE, clatter, written

from rtsep.cli import main
from rtsep.evaluate.mixtures import load, read_manifest
from rtsep.train.sounds.gather import gather
from rtsep.train.sounds.held_out import is_held_out, write_mixtures
from rtsep.train.table import read_rows

DRUMS = ("snare drum", "tom drum")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A cache with one unpacked package: 4 labels of 30 files, and one file that is no sound."""
    for index, label in enumerate(("dog", "cat", "cow", "sitar")):
        for number in range(30):
            written(tmp_path / "cache" / "pets" / label / f"{number}.wav", clatter(1.5, 100 * index + number))
    (tmp_path / "cache" / "pets" / "dog" / "30.wav").write_bytes(b"RIFF or not")
    (tmp_path / "rules.toml").write_text(
        "[pets.event]\n"
        + "".join(f'{label} = ["*/{label}/*"]\n' for label in ("dog", "cat", "cow"))
        + '[pets.music]\nsitar = ["*/sitar/*"]\n'
    )
    (tmp_path / "nobody.toml").write_text(NOBODY)
    return tmp_path


def gathered(pets: Path, **options: list[Path]) -> list[dict[str, str]]:
    gather(
        pets / "out", cache=pets / "cache", files=pets / "rules.toml", played=pets / "nobody.toml", **options
    )
    with (pets / "out" / "sounds.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_is_gathered_can_be_trained_on_and_says_where_it_is_from(
    pets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(pets / "cache" / "pets" / "cow" / "1.wav", pets / "cache" / "pets" / "dog" / "twice.wav")
    rows = gathered(pets)
    said = capsys.readouterr().err
    assert "left out: cannot read" in said
    assert "120 clips, 0.1 h, 4 labels" in said
    assert "1 heard before, 0 like what is evaluated on, 1 unreadable files" in said
    assert len(read_rows(pets / "out" / "sounds.csv")) == len(rows)
    assert {row["source_repo"] for row in rows} == {"pets"}
    assert rows[0].keys() >= {"seconds", "licence", "source_path"}
    assert all(row["group"] == f"pets {row['source_path']}" for row in rows)
    assert all((pets / "out" / row["path"]).exists() for row in rows)


def test_held_out_clips_are_in_the_mixtures_and_never_in_the_table(pets: Path) -> None:
    rows = gathered(pets)
    trained = {row["path"] for row in rows}
    assert not any(is_held_out(row) for row in rows)
    assert {row["label"] for row in rows} == {"dog", "cat", "cow"}
    manifest = pets / "out" / "held_out" / "mixtures.jsonl"
    mixtures = read_manifest(manifest, pets / "out")
    sources = [source for mixture in mixtures for source in mixture.sources]
    assert not trained & {source.path for source in sources}
    assert {(source.prompt, source.known_label) for source in sources} >= {("sitar", False), ("dog", True)}
    for mixture in mixtures:
        asked = [source.prompt for source in mixture.sources]
        assert len(set(asked)) == 2
        assert mixture.absent_prompt is not None
        assert mixture.absent_prompt not in asked
    energy = load(mixtures[0], pets / "out", RATE).square().sum(dim=1)
    assert float(energy[0]) == pytest.approx(float(energy[1]), rel=0.01)
    again = manifest.read_text()
    gathered(pets)
    assert manifest.read_text() == again
    assert json.loads(again.splitlines()[0])["seconds"] == 4.0


def test_what_is_asked_for_in_vain_is_of_no_kind_of_what_sounds(tmp_path: Path) -> None:
    written(tmp_path / "a.wav", clatter(1.5, 1))
    rows = [
        {"path": "a.wav", "category": "event", "label": label} for label in (*DRUMS, "rain", "dog barking")
    ]
    write_mixtures(rows, ["rain"], tmp_path, tmp_path / "held_out" / "mixtures.jsonl")
    mixtures = read_manifest(tmp_path / "held_out" / "mixtures.jsonl", tmp_path)
    for mixture in mixtures:
        assert [source.known_label for source in mixture.sources] == [
            source.prompt == "rain" for source in mixture.sources
        ]
        if any(source.prompt in DRUMS for source in mixture.sources):
            assert mixture.absent_prompt not in DRUMS
    assert any(mixture.absent_prompt in DRUMS for mixture in mixtures)


def test_what_is_evaluated_on_is_left_out_and_other_tables_stand_in_it(pets: Path) -> None:
    written(pets / "dev" / "a.wav", clatter(1.5, 205))  # the fifth cow
    (pets / "dev.csv").write_text("path,label\ndev/a.wav,cow\n")
    (pets / "mine.csv").write_text("path,label,category,caption\ndev/a.wav,moo,event,a cow\n")
    before = {row["source_path"] for row in gathered(pets)}
    rows = gathered(pets, unlike=[pets / "dev.csv"], also=[pets / "mine.csv"])
    assert before - {row["source_path"] for row in rows} == {"/cow/5.wav"}
    assert rows[0]["label"] == "moo"
    assert (pets / "out" / rows[0]["path"]).samefile(pets / "dev" / "a.wav")
    read_rows(pets / "out" / "sounds.csv")


def test_a_table_that_is_not_there_is_said_before_anything_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sounds", str(tmp_path / "out"), "--unlike", str(tmp_path / "no.csv")])
    assert "no.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""The model card: figures, facts and sources as they were found, and one line for what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import CODEC, tiny_separator
from train_builders import RECIPE, trained

from rtsep.cli import main
from rtsep.errors import ConfigError
from rtsep.evaluate.report import Report
from rtsep.evaluate.scores import References, TargetScore
from rtsep.models.bundle import load_bundle
from rtsep.train.card import Additions, model_card
from rtsep.train.pool import Pool
from rtsep.train.run import Facts

FACTS = Facts(RECIPE, steps=1000, seconds=7200, data={"hours": 5.84, "clips": 4852, "labels": 314}, ranks=2)


def score(label: str, si_sdri_db: float, paraphrase: float | None = None, kind: str = "pair") -> TargetScore:
    return TargetScore(
        set=kind,
        category="speech" if label == "talk" else "event",
        label=label,
        known=label != "frog",
        si_sdri_db=si_sdri_db,
        prompt_delta_db=7.5,
        gain_db=-1.25,
        references=References(16.25, 14.5, 73.0, -25.0),
        paraphrase_si_sdri_db=paraphrase,
    )


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    scores = [
        *(score("dog", 6.0, 5.0) for _ in range(4)),
        *(score("frog", -3.5, -4.0) for _ in range(5)),
        score("seldom", 20.5),
        *(score("talk", 4.0, kind="speech") for _ in range(2)),
    ]
    path = tmp_path / "figures.json"
    path.write_text(json.dumps(Report(12, tuple(scores), (-9.44,)).to_json()))
    return path


def test_the_card_has_every_figure_with_its_bounds(figures: Path) -> None:
    text = model_card("tones", tiny_separator(), FACTS, Additions(figures))
    lines = text.splitlines()
    assert lines[0] == "# tones"
    for line in (
        "| pair: two sounds at one level | 10 | 2.7 | 1.2 | 16.2 | 14.5 |",
        "| range: two sounds, -10..10 dB | 0 | - | - | - | - |",
        "| the speech in it | 2 | 4.0 | 4.0 | 16.2 | 14.5 |",
        "| labels never trained on | 5 | -3.5 | -3.5 | 16.2 | 14.5 |",
        "| category: event | 10 | 2.7 | 1.2 | 16.2 | 14.5 |",
        "| matched less mismatched prompt | 7.5 | 7.5 |",
        "| gain of the target in the output | -1.2 | -1.2 |",
        "| output for an absent sound, against the mixture | -9.4 | -9.4 |",
        "| codec's ceiling, SI-SDR, through codes | -25.0 | -25.0 |",
        "| lost with a paraphrase instead of the label, every label, n = 9 | 0.7 | 0.5 |",
        "| lost with a paraphrase instead of the label, labels trained on, n = 4 | 1.0 | 1.0 |",
        "Best labels with at least 4 targets: dog (+6.0), frog (-3.5).",
        "Worst: dog (+6.0), frog (-3.5).",
    ):
        assert line in lines, line
    assert "seldom (" not in text
    assert "12 fixed mixtures" in text


def test_the_card_has_the_facts_of_the_run_and_of_the_model() -> None:
    separator = tiny_separator()
    text = model_card("tones", separator, FACTS, Additions(hardware="one abacus"))
    size = sum(tensor.numel() for tensor in separator.state_dict().values())
    for words in (
        f"{CODEC.sample_rate / 1000:g} kHz, hop {1000 * CODEC.hop / CODEC.sample_rate:g} ms",
        f"{2 * size / 1e6:.1f} MB",
        "1,000 steps of 12 mixtures of 0.12 s, 2 prompts each",
        "2.0 h",
        "4,852 clips (5.8 h, 314 labels)",
        "Learning in this run: masker, film_head",
        "Hardware: one abacus.",
    ):
        assert words in text, words
    assert "## Figures" not in text
    assert "was not said" in text
    older = Facts(RECIPE, steps=1, seconds=0, data={})
    assert "did not write down" in model_card("x", separator, older, Additions())


def test_sources_come_from_markdown_as_it_is_or_from_the_table_of_clips(tmp_path: Path) -> None:
    markdown = tmp_path / "data.md"
    markdown.write_text("All mine.\n")
    assert model_card("x", tiny_separator(), FACTS, Additions(data=markdown)).endswith("All mine.\n")
    table = tmp_path / "data.csv"
    table.write_text(
        "path,seconds,category,source_repo,licence\n"
        'a,30,event,me/small,"CC0 1.0 (file)"\nb,60,event,me/large,CC BY 4.0\nc,90,music,me/large,CC BY 3.0\n'
    )
    lines = model_card("x", tiny_separator(), FACTS, Additions(data=table)).splitlines()
    assert lines[-2:] == [
        "| me/large | 2 | 2.5 | event, music | CC BY 3.0, CC BY 4.0 |",
        "| me/small | 1 | 0.5 | event | CC0 1.0 |",
    ]


def test_a_card_goes_into_the_bundle_with_its_picture(tmp_path: Path, pool: Pool, figures: Path) -> None:
    trained(tmp_path / "run", pool, RECIPE.model_copy(update={"steps": 1}))
    picture, notes = tmp_path / "any.png", tmp_path / "notes.md"
    picture.write_bytes(b"picture")
    notes.write_text("## Known failures\n\n- frogs\n")
    line = ["export", tmp_path / "run", tmp_path / "bundle", "--description", "tones", "--eval", figures]
    line += ["--plot", picture, "--notes", notes, "--hardware", "one abacus"]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in line])
    assert not ended.value.code
    bundle = load_bundle(str(tmp_path / "bundle"))
    text = (bundle.path / "README.md").read_text()
    assert "![SI-SDR improvement of every label](labels.png)" in text
    assert (bundle.path / "labels.png").read_bytes() == b"picture"
    assert text.index("## Figures") < text.index("- frogs") < text.index("## How it was trained")
    assert "18 clips" in text
    assert "Hardware: one abacus." in text
    assert bundle.config.description == "tones"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the figures"),
        ("{", "is no report"),
        ("[]", "is no report"),
        ("{}", "is no report"),
    ],
)
def test_figures_that_are_none_are_refused_in_one_line(
    tmp_path: Path, content: str | None, says: str
) -> None:
    path = tmp_path / "figures.json"
    if content is not None:
        path.write_text(content)
    refused(Additions(figures=path), says)


def test_sources_and_notes_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    refused(Additions(notes=tmp_path / "none.md"), "cannot read .*none.md")
    table = tmp_path / "clips.csv"
    for content in ("path,label\na,dog\n", "source_repo,licence,seconds\nme,CC0,long\n", "source_repo\nme\n"):
        table.write_text(content)
        refused(Additions(data=table), "a table of sources needs source_repo, licence, seconds")


def refused(additions: Additions, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        model_card("x", tiny_separator(), FACTS, additions)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"), [("labels", []), ("known", 3), ("mixtures", None), ("absent_db", "low")]
)
def test_figures_of_another_kind_are_refused_in_one_line(figures: Path, key: str, value: object) -> None:
    found = json.loads(figures.read_text()) | {key: value}
    if value is None:
        del found[key]
    figures.write_text(json.dumps(found))
    with pytest.raises(ConfigError, match="is no report of this version") as caught:
        model_card("tones", tiny_separator(), FACTS, Additions(figures))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["export run FILE", "pack data FILE", "train masker --data data --out FILE", "demo --out FILE/x"]
)
def test_a_folder_for_results_that_is_a_file_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(line.replace("FILE", str(tmp_path / "file")).split())
    assert ended.value.code == 2
    assert "can be made" in (said := capsys.readouterr().err) and said.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"

"""The report: every figure by set, category and label, and nothing that is not a number."""

import io
import json
import math
from functools import partial
from pathlib import Path

import pytest
from eval_builders import WORDS, fake_encoder, figures_of, source, with_constant_mask
from rich.console import Console

from rtsep.errors import ConfigError
from rtsep.evaluate.report import Report, evaluate_file
from rtsep.evaluate.scores import FLOOR_DB, TargetScore
from rtsep.evaluate.session import eval_session
from rtsep.evaluate.table import report_tables
from rtsep.models.text import embed

QUICK = Path(__file__).parents[3] / "shared" / "data" / "dev" / "quick.jsonl"


def test_letting_everything_through_improves_nothing(separator, manifest):
    figures = figures_of(with_constant_mask(separator, 20.0), manifest)
    for entry in (*figures["sets"].values(), figures["known"], figures["unseen"]):
        assert entry["n"] == 0 or abs(entry["si_sdri_db"]) < 0.01
    assert abs(figures["absent_db"]) < 0.01
    assert 0 <= figures["target_gain_db"] < 2  # a little above: some of these tones are alike
    assert abs(figures["prompt_delta_db"]) < 0.01


def test_letting_nothing_through_is_very_quiet_for_an_absent_sound(separator, manifest):
    figures = figures_of(with_constant_mask(separator, -20.0), manifest)
    assert figures["absent_db"] == figures["target_gain_db"] == FLOOR_DB


def test_report_has_every_figure_by_set_category_and_label(separator, manifest):
    steps = []
    report = evaluate_file(
        separator, fake_encoder, manifest, progress=lambda done, total: steps.append((done, total))
    )
    figures = report.to_json()
    assert steps[-1] == (4, 4)
    assert {name: entry["n"] for name, entry in figures["sets"].items()} == {
        "pair": 2,
        "range": 0,
        "trio": 3,
        "speech": 2,
    }
    assert figures["sets"]["range"]["si_sdri_db"] is None
    assert figures["sets"]["speech"]["speech_targets_n"] == 1
    assert math.isfinite(figures["sets"]["speech"]["speech_targets_si_sdri_db"])
    assert (figures["known"]["n"], figures["unseen"]["n"]) == (4, 3)
    assert set(figures["categories"]) == {"event", "music", "speech"}
    assert figures["labels"]["whistling"]["n"] == 2
    assert {name: entry["known"] for name, entry in figures["labels"].items()} == {
        "beep": True, "rain": False, "whistling": True
    }  # fmt: skip
    assert figures["paraphrase"]["n"] == 0
    assert figures["paraphrase"]["lost_db"] is None
    assert math.isfinite(figures["prompt_delta_db"])
    assert figures["codec_ceiling_si_sdr_db"] > 40
    assert math.isfinite(figures["codec_ceiling_codes_si_sdr_db"])
    for oracle in ("oracle_latent_mask", "oracle_stft_mask"):
        assert figures[oracle]["sets"]["pair"]["si_sdri_db"] > 5
    json.dumps(figures, allow_nan=False)


def test_the_ceiling_through_codes_is_that_of_the_codebooks_asked_for(separator, manifest):
    few, all_by_default = (
        evaluate_file(separator, fake_encoder, manifest, codebooks=codebooks).to_json()
        for codebooks in (1, None)
    )
    assert few["codec_ceiling_codes_si_sdr_db"] < all_by_default["codec_ceiling_codes_si_sdr_db"] - 0.5
    assert few["codec_ceiling_si_sdr_db"] == all_by_default["codec_ceiling_si_sdr_db"]


@pytest.mark.parametrize("codebooks", [0, 13])
def test_codebooks_that_a_bundle_has_not_got_are_refused(manifest, codebooks):
    with pytest.raises(ConfigError, match=f"{codebooks} codebooks: default has 1 to 12"):
        eval_session("default", manifest, None, codebooks=codebooks)


def test_without_references_their_figures_are_null(separator, manifest):
    figures = evaluate_file(separator, fake_encoder, manifest, references=False, limit=2).to_json()
    assert figures["mixtures"] == 2
    assert figures["codec_ceiling_si_sdr_db"] is None
    assert figures["oracle_latent_mask"]["sets"]["pair"] == {
        "si_sdri_db": None,
        "median_si_sdri_db": None,
        "n": 0,
    }


def test_a_figure_that_is_not_a_number_is_null():
    score = TargetScore("pair", "event", "rain", True, math.nan, math.nan, math.nan, None)
    figures = Report(1, (score,), (math.nan,)).to_json()
    assert figures["sets"]["pair"]["si_sdri_db"] is None
    assert figures["prompt_delta_db"] is None
    assert figures["absent_db"] is figures["target_gain_db"] is None
    assert Report(1, (score,), (-3.0,)).headline() == {"absent_db": -3.0}
    json.dumps(figures, allow_nan=False)


def test_silent_and_lone_targets_are_skipped(separator, manifest):
    lines = [
        {"set": "pair", "sources": [source("dev/tone.wav", "beep"), source("dev/noise.wav", "rain", start=9)]}
    ]
    manifest.write_text(json.dumps({"id": "x", "seconds": 1.0} | lines[0]))
    assert figures_of(separator, manifest)["targets"] == 0


def test_tables_show_the_sets_and_nothing_that_is_not_a_number(separator, manifest):
    report = evaluate_file(separator, fake_encoder, manifest)
    console = Console(file=io.StringIO(), width=120)
    console.print(report_tables(report))
    shown = console.file.getvalue()
    for word in ("pair", "the speech in it", "other labels", "music", "absent", "ceiling"):
        assert word in shown
    assert "nan" not in shown
    assert "paraphrases" not in shown
    report = evaluate_file(separator, fake_encoder, manifest, paraphrases=WORDS)
    console.print(report_tables(report))
    assert "lost against the label" in console.file.getvalue()


@pytest.mark.skipif(not QUICK.is_file(), reason=f"no evaluation data at {QUICK}")
def test_real_mixtures_have_finite_figures(separator):
    figures = evaluate_file(separator, partial(embed, "minilm-l6-v2"), QUICK, limit=4).to_json()
    assert figures["mixtures"] == 4
    assert math.isfinite(figures["sets"]["pair"]["si_sdri_db"])
    assert figures["oracle_latent_mask"]["sets"]["pair"]["si_sdri_db"] > 3
    assert figures["codec_ceiling_si_sdr_db"] > 40

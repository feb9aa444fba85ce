"""Paraphrases: what other words for a label lose, and which ship."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from eval_builders import WORDS, fake_encoder, figures_of

from rtsep.errors import ConfigError
from rtsep.evaluate.mixtures import read_manifest
from rtsep.evaluate.paraphrases import read_paraphrases
from rtsep.evaluate.report import evaluate_file

QUICK = Path(__file__).parents[3] / "shared" / "data" / "dev" / "quick.jsonl"


def test_a_paraphrase_that_is_the_label_loses_nothing_and_others_are_scored_on_their_own(separator, manifest):
    same = {"whistling": ("whistling",) * 3, "rain": ("rain",), "beep": ("beep", "beep")}
    figures = evaluate_file(separator, fake_encoder, manifest, paraphrases=same).to_json()
    assert figures["paraphrase"]["n"] == figures["targets"] == 7
    assert figures["paraphrase"]["lost_db"] == pytest.approx(0, abs=1e-3)
    total = sum(figures[key]["n"] * figures[key]["si_sdri_db"] for key in ("known", "unseen"))
    assert figures["paraphrase"]["si_sdri_db"] == pytest.approx(total / 7, abs=2e-3)


def to_centibels(figures):
    """Figures to two decimals, but for those through codes: batches of other sizes round otherwise there."""
    rounded = json.loads(json.dumps(figures), parse_float=lambda x: round(float(x), 2))
    for of in (rounded, *rounded["categories"].values()):
        for name in ("codec_ceiling_codes_si_sdr_db", "median_codec_ceiling_codes_si_sdr_db"):
            of[name] = round(of[name])
    return rounded


def test_paraphrases_change_no_other_figure_and_count_only_the_targets_that_have_some(separator, manifest):
    torch.nn.init.normal_(separator.masker.leave.weight)
    alone = figures_of(separator, manifest)
    beside = evaluate_file(separator, fake_encoder, manifest, paraphrases=WORDS).to_json()
    said = beside.pop("paraphrase")
    alone.pop("paraphrase")
    assert to_centibels(beside) == to_centibels(alone)
    assert (said["n"], said["known"]["n"], said["unseen"]["n"]) == (5, 2, 3)  # "beep" has none
    scores = evaluate_file(separator, fake_encoder, manifest, paraphrases=WORDS).targets
    having = [score for score in scores if score.label in WORDS]
    assert all(score.paraphrase_si_sdri_db is None for score in scores if score.label not in WORDS)
    lost = np.mean([score.si_sdri_db - score.paraphrase_si_sdri_db for score in having])
    assert said["lost_db"] == pytest.approx(lost, abs=1e-3)
    assert abs(said["lost_db"]) > 0.01


def test_a_targets_paraphrases_are_scored_one_by_one_and_averaged(separator, manifest):
    torch.nn.init.normal_(separator.masker.leave.weight)

    def score(*phrases):
        report = evaluate_file(separator, fake_encoder, manifest, paraphrases={"rain": phrases})
        return [target.paraphrase_si_sdri_db for target in report.targets if target.label == "rain"]

    both, first, second = score("drops", "a shower"), score("drops"), score("a shower")
    assert np.allclose(both, np.mean([first, second], axis=0), atol=1e-3)
    assert not np.allclose(first, second, atol=1e-2)


def test_the_shipped_paraphrases_are_three_different_ones_a_label():
    for label, phrases in read_paraphrases().items():
        assert len({label, *phrases}) == 4, label


@pytest.mark.skipif(not QUICK.is_file(), reason=f"no evaluation data at {QUICK}")
def test_every_label_of_the_development_mixtures_has_paraphrases():
    root = QUICK.parents[1]
    mixtures = read_manifest(QUICK.with_name("mixtures.jsonl"), root)
    prompts = {source.prompt for mixture in mixtures for source in mixture.sources}
    assert prompts <= read_paraphrases().keys()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the paraphrases"),
        ("dog = ", "cannot read the paraphrases"),
        ('dog = "hound"', r"dog: .* \(a label has a list of phrases\)"),
        ("dog = [1]", r"dog\.0: "),
        ('dog = [" "]', "the prompt is empty"),
    ],
)
def test_bad_paraphrases_are_named_in_one_line(tmp_path, content, says):
    path = tmp_path / "words.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=says) as caught:
        read_paraphrases(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)

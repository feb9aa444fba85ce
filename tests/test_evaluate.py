"""Evaluation: manifests, alignment, oracles and the report's figures."""

import io
import json
import math
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.axes import Axes
from rich.console import Console

from rtsep.errors import ConfigError
from rtsep.evaluate.mixtures import load, read_manifest
from rtsep.evaluate.paraphrases import read_paraphrases
from rtsep.evaluate.plot import COLOURS, plot_labels
from rtsep.evaluate.report import Report, evaluate_file
from rtsep.evaluate.scores import FLOOR_DB, TargetScore, gain_db, si_sdr_db
from rtsep.evaluate.separation import oracle_latent_mask, oracle_stft_mask, reconstruct, separate
from rtsep.evaluate.session import eval_session
from rtsep.evaluate.table import report_tables
from rtsep.models.codec import CodecConfig
from rtsep.models.masker import MaskerConfig
from rtsep.models.separator import Separator
from rtsep.models.text import embed

RATE = 24_000
QUICK = Path(__file__).parents[2] / "shared" / "data" / "dev" / "quick.jsonl"


def fake_encoder(phrases):
    """One unit vector a phrase."""
    generators = [torch.Generator().manual_seed(len(phrase)) for phrase in phrases]
    rows = torch.stack([torch.randn(384, generator=generator) for generator in generators])
    return torch.nn.functional.normalize(rows, dim=-1)


@pytest.fixture
def separator():
    torch.manual_seed(0)
    masker = MaskerConfig(width=32, layers=1, heads=2, feed_forward=32, text_hidden=16, floor=0)
    return Separator(CodecConfig(codebooks=3, codebook_size=64), masker).eval()


def with_constant_mask(separator, bias):
    torch.nn.init.zeros_(separator.masker.leave.weight)
    torch.nn.init.constant_(separator.masker.leave.bias, bias)
    return separator


def tone_and_noise(seconds=1.0):
    time_s = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time_s))
    return 0.3 * np.sin(2 * np.pi * 440 * time_s), 0.1 * noise


def source(path, prompt, **changes):
    line = {"path": path, "start": 0.0, "at": 0.0, "gain_db": 0.0, "prompt": prompt}
    return line | {"category": "event", "known_label": True} | changes


@pytest.fixture
def manifest(tmp_path):
    folder = tmp_path / "dev"
    folder.mkdir()
    tone, noise = tone_and_noise()
    soundfile.write(folder / "tone.wav", tone, RATE, subtype="FLOAT")
    soundfile.write(folder / "noise.wav", noise, RATE, subtype="FLOAT")
    tone_source = source("dev/tone.wav", "Whistling", gain_db=-3.0)
    noise_source = source("dev/noise.wav", "rain", known_label=False, category="speech")
    late = source("dev/tone.wav", "beep", start=0.25, at=0.5, category="music")
    lines = [
        {"id": "p", "set": "pair", "sources": [tone_source, noise_source]},
        {"id": "t", "set": "trio", "sources": [tone_source, noise_source, late]},
        {"id": "s", "set": "speech", "sources": [noise_source, late]},
        {"id": "a", "set": "absent", "sources": [tone_source, noise_source], "absent_prompt": "dog"},
    ]
    path = folder / "mixtures.jsonl"
    path.write_text("\n".join(json.dumps({"seconds": 1.0} | line) for line in lines))
    return path


def figures_of(separator, manifest):
    return evaluate_file(separator, fake_encoder, manifest).to_json()


def test_clips_are_cut_scaled_and_placed_as_the_manifest_says(manifest):
    tone, noise = tone_and_noise()
    trio = read_manifest(manifest, manifest.parent.parent)[1]
    sources = load(trio, manifest.parent.parent, RATE)
    assert sources.shape == (3, RATE)
    assert sources.dtype == torch.float32
    assert np.allclose(sources[0], tone * 10 ** (-3 / 20), atol=1e-6)
    assert np.allclose(sources[1], noise, atol=1e-6)
    assert not sources[2, : RATE // 2].any()
    assert np.allclose(sources[2, RATE // 2 :], tone[RATE // 4 : 3 * RATE // 4], atol=1e-6)


def test_clips_of_another_rate_are_resampled(manifest):
    root = manifest.parent.parent
    pair = read_manifest(manifest, root)[0]
    sources = load(pair, root, 48_000)
    assert sources.shape == (2, 48_000)
    assert torch.allclose(sources[0, 2000:-2000:2], load(pair, root, RATE)[0, 1000:-1000], atol=1e-3)


@pytest.mark.parametrize("length", [4800, 4801, 5039])
def test_delay_is_compensated_to_the_sample(separator, length):
    with_constant_mask(separator, 20.0)
    mixtures = torch.randn(2, length)
    film = separator.film_head(torch.randn(2, 3, 384))[:, :, None]
    outputs = separate(separator, mixtures, film)
    assert outputs.shape == (2, 3, length)
    assert torch.allclose(outputs, mixtures[:, None].expand_as(outputs), atol=1e-4)


def test_untrained_codec_reconstructs_each_source(separator):
    waves = torch.randn(2, 2, 5000)
    assert (si_sdr_db(reconstruct(separator.codec, waves, codes=False), waves) > 40).all()
    assert reconstruct(separator.codec, waves, codes=True).shape == waves.shape


def test_oracle_masks_improve_on_the_mixture(separator):
    sources = torch.from_numpy(np.stack(tone_and_noise())).float()[None]
    unprocessed = si_sdr_db(sources.sum(dim=1, keepdim=True).expand_as(sources), sources)
    assert (si_sdr_db(oracle_latent_mask(separator, sources), sources) > unprocessed + 10).all()
    assert (si_sdr_db(oracle_stft_mask(sources, separator.hop), sources) > unprocessed + 10).all()


def test_si_sdr_of_a_quiet_estimate_is_that_of_a_loud_one_and_silence_earns_nothing():
    target = torch.randn(1000)
    estimate = target + 0.1 * torch.randn(1000)
    assert si_sdr_db(1e-6 * estimate, target) == pytest.approx(float(si_sdr_db(estimate, target)), abs=1e-3)
    assert si_sdr_db(torch.zeros(1000), target) == FLOOR_DB


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


def test_the_gain_of_a_target_is_its_own_whatever_else_is_in_the_output():
    target, other = torch.sin(torch.arange(1000) * 0.3), torch.sin(torch.arange(1000) * 0.7)
    assert gain_db(target + other, target) == pytest.approx(0, abs=0.1)
    assert gain_db(0.1 * target + other, target) == pytest.approx(-20, abs=0.5)
    assert gain_db(-target, target) == gain_db(torch.zeros(1000), target) == FLOOR_DB


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


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sources": [{"path": "dev/tone.wav"}]}, "sources.0.gain_db: Field required"),
        ({"sources": [source("dev/missing.wav", "dog")]}, "no clip"),
        ({"sources": [source("dev/tone.wav", " ")]}, "the prompt is empty"),
        ({"sources": []}, "sources: Tuple should have at least 1 item"),
        ({"set": "absent"}, "needs an absent_prompt"),
        ({"seconds": 1e-5}, "seconds: Input should be greater than or equal to 0.001"),
        (
            {"sources": [source("dev/tone.wav", "dog", gain_db=10_000)]},
            "sources.0.gain_db: Input should be less",
        ),
        ({"sources": [source("dev/tone.wav", "dog", at=math.inf)]}, "sources.0.at: Input should be a finite"),
    ],
)
def test_a_bad_line_is_one_line_that_names_file_and_line(manifest, change, complaint):
    first = manifest.read_text().splitlines()[0]
    manifest.write_text(f"{first}\n\n{json.dumps(json.loads(first) | change)}\n")
    with pytest.raises(ConfigError) as caught:
        read_manifest(manifest, manifest.parent.parent)
    message = str(caught.value)
    assert f"{manifest}, line 3: " in message
    assert complaint in message
    assert "\n" not in message


def test_the_oracle_masks_any_length(separator):
    sources = torch.randn(1, 2, 30)
    assert oracle_stft_mask(sources, separator.hop).shape == sources.shape


def test_manifests_that_are_no_manifest_are_refused(tmp_path):
    path = tmp_path / "m.jsonl"
    with pytest.raises(ConfigError, match="cannot read the manifest"):
        read_manifest(path, tmp_path)
    path.write_text("\n")
    with pytest.raises(ConfigError, match="holds no mixture"):
        read_manifest(path, tmp_path)
    path.write_text("dog\n")
    with pytest.raises(ConfigError, match="line 1: Invalid JSON"):
        read_manifest(path, tmp_path)


def test_a_clip_that_is_no_audio_is_refused(manifest):
    root = manifest.parent.parent
    (manifest.parent / "tone.wav").write_bytes(b"not audio")
    with pytest.raises(ConfigError, match=r"cannot read the clip .*tone\.wav"):
        load(read_manifest(manifest, root)[0], root, RATE)


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


# --- paraphrases ---


WORDS = {"whistling": ("a whistle", "whistling"), "rain": ("rain", "drops", "a shower")}


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


# --- the picture ---


def label(si_sdri_db, n, known):
    return {"si_sdri_db": si_sdri_db, "median_si_sdri_db": si_sdri_db, "n": n, "known": known}


def test_the_plot_sorts_the_labels_and_colours_those_trained_on(tmp_path, monkeypatch):
    drawn = {}
    barh = Axes.barh

    def keep(axis, names, values, **rest):
        drawn.update(names=names, values=values, **rest)
        return barh(axis, names, values, **rest)

    monkeypatch.setattr(Axes, "barh", keep)
    labels = {"a": label(3.0, 4, True), "b": label(-2.0, 1, False), "c": label(5.0, 2, True)}
    plot_labels({"labels": labels | {"d": label(None, 0, True)}}, tmp_path / "plot.png")
    assert drawn["names"] == ["b", "a", "c"]
    assert drawn["values"] == [-2.0, 3.0, 5.0]
    assert drawn["color"] == [COLOURS[False], COLOURS[True], COLOURS[True]]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_that_cannot_be_is_refused_in_one_line(tmp_path, monkeypatch):
    labels = {"labels": {"a": label(1.0, 1, True)}}
    with pytest.raises(ConfigError, match="nothing to draw"):
        plot_labels({"labels": {"a": label(None, 0, True)}}, tmp_path / "plot.png")
    with pytest.raises(ConfigError, match="cannot write the plot"):
        plot_labels(labels, tmp_path / "plot.nosuch")
    with pytest.raises(ConfigError, match="cannot write the plot"):
        plot_labels(labels, tmp_path / "none" / "plot.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match="pip install"):
        plot_labels(labels, tmp_path / "plot.png")


@pytest.mark.skipif(not QUICK.is_file(), reason=f"no evaluation data at {QUICK}")
def test_real_mixtures_have_finite_figures(separator):
    figures = evaluate_file(separator, partial(embed, "minilm-l6-v2"), QUICK, limit=4).to_json()
    assert figures["mixtures"] == 4
    assert math.isfinite(figures["sets"]["pair"]["si_sdri_db"])
    assert figures["oracle_latent_mask"]["sets"]["pair"]["si_sdri_db"] > 3
    assert figures["codec_ceiling_si_sdr_db"] > 40

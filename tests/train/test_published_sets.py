"""DnR and AudioCaps as published: read, mixed as the paper does and better, trained on by every recipe."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from builders import BagOfWords

from rtsep.cli import main
from rtsep.errors import ConfigError
from rtsep.models.codec import Codec
from rtsep.models.codec_store import save_codec
from rtsep.models.dac import DacConfig
from rtsep.models.separator import Separator
from rtsep.train.captioned import CaptionMixer
from rtsep.train.mixture import MixingConfig
from rtsep.train.pool import open_pool
from rtsep.train.recipe import read_recipe
from rtsep.train.run import load_run
from rtsep.train.table import read_rows

RATE = 16_000
CPU = torch.device("cpu")
EVENTS = [
    ("speech", "hello", 0.0, 1.0),
    ("fx", "Dog_bark,", 0.1, 0.5),
    ("fx", "Rain", 0.4, 0.9),
    ("fx", "Click", 0.95, 0.951),
]
CODEC = DacConfig(
    kind="dac", encoder_width=2, strides=(4, 8), decoder_width=8, decoder_strides=(8, 4), codebooks=1,
    codebook_size=8,
)  # fmt: skip
TINY = """
like = "{recipe}"
text_encoder = "bag-of-words"
steps = 2
codec_weights = "tiny"
[codec]
encoder_width = 2
strides = [4, 8]
decoder_width = 8
decoder_strides = [8, 4]
codebooks = 1
codebook_size = 8
[masker]
width = 16
layers = 1
heads = 2
feed_forward = 16
text = 16
[mixing]
seconds = 0.2
"""


def sound(path: Path, frequency: float, seconds: float = 1.0) -> None:
    time = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * time), RATE)


@pytest.fixture
def dnr(tmp_path: Path) -> Path:
    """Two mixtures of the training set, and one of the test set, which is not to be trained on."""
    for number, name in enumerate(["tr/1001", "tr/1002", "tt/9"]):
        folder = tmp_path / "dnr" / name
        folder.mkdir(parents=True)
        for stem, frequency in {"mix": 200, "speech": 300, "music": 500, "sfx": 900}.items():
            sound(folder / f"{stem}.wav", frequency + 50 * number)
        with (folder / "annots.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            clip = ["clip start sample", "clip end sample", "clip gain"]
            writer.writerow(["", "file", "class", "annotation", "mix start time", "mix end time", *clip])
            for index, (kind, words, start, stop) in enumerate(EVENTS):
                writer.writerow([index, "x.wav", kind, words, start, stop, 0, 1, 0])
    return tmp_path / "dnr"


@pytest.fixture
def audiocaps(tmp_path: Path) -> Path:
    """Training and test table; one of the training clips has vanished."""
    folder = tmp_path / "audiocaps"
    (folder / "train").mkdir(parents=True)
    for table in ("train", "test"):
        with (folder / f"{table}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["audiocap_id", "youtube_id", "start_time", "caption"])
            writer.writerow([1, "abc", 30, "A dog barks, then a man speaks"])
            writer.writerow([2, "d-e_f", 0, "Rain falls on a roof"])
            writer.writerow([3, "ghi", 10, "A horn is blown"])
            writer.writerow([4, "gone", 10, "Nothing is left"])
    sound(folder / "train" / "abc.wav", 400)
    sound(folder / "train" / "d-e_f_0.wav", 600)
    sound(folder / "train" / "3.wav", 800)
    return folder


def test_dnrs_training_set_is_read_stem_by_stem_and_event_by_event(dnr: Path) -> None:
    rows = read_rows(dnr)
    assert rows == read_rows(dnr / "tr")
    assert len(rows) == 2 * (2 + 2) and not any("tt" in row.path.parts for row in rows)
    assert [(row.label, row.category) for row in rows[:2]] == [("speech", "speech"), ("music", "music")]
    dog, rain = rows[2:4]
    assert (dog.path.name, dog.label, dog.start_s, dog.stop_s) == ("sfx.wav", "dog bark", 0.1, 0.5)
    assert dog.caption == "dog bark, rain" and rain.category == "event"


def test_an_event_is_cut_out_of_its_file(dnr: Path, tmp_path: Path) -> None:
    pool = open_pool(dnr, tmp_path / "cache", RATE)
    assert [clip.length for clip in pool.clips[:4]] == [RATE, RATE, round(0.4 * RATE), round(0.5 * RATE)]
    whole, _ = soundfile.read(dnr / "tr/1001/sfx.wav", dtype="int16")
    dog = pool.clips[2]
    cut = pool.samples[dog.start : dog.start + dog.length]
    assert np.abs(cut.astype(int) - whole[round(0.1 * RATE) : round(0.5 * RATE)]).max() <= 1


def test_audiocaps_is_read_with_its_captions_and_what_has_vanished_is_said(
    audiocaps: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = read_rows(audiocaps)
    assert [row.path.name for row in rows] == ["abc.wav", "d-e_f_0.wav", "3.wav"]
    assert rows[0].caption == "a dog barks, then a man speaks"
    assert "1 of its 4 clips are not there" in caplog.text
    with pytest.raises(ConfigError, match="none of its 4 clips"):
        read_rows(audiocaps / "test.csv")


def test_a_table_that_is_not_dnrs_is_named(dnr: Path) -> None:
    (dnr / "tr/1002/annots.csv").write_text("class,annotation\nfx,Rain\n")
    with pytest.raises(ConfigError, match=r"1002.*mix start time"):
        read_rows(dnr)


def drawn(data: Path, cache: Path, recipe: str, **update: object) -> CaptionMixer:
    config = read_recipe(recipe).mixing.model_copy(update={"seconds": 0.2, "batch": 200, **update})
    return CaptionMixer(open_pool(data, cache, RATE), BagOfWords(), config, CPU, 0)


def level_db(waves: torch.Tensor) -> torch.Tensor:
    return 10 * waves.square().mean(dim=-1).log10()


def test_the_papers_mixtures_have_one_of_each_at_fixed_loudness(dnr: Path, tmp_path: Path) -> None:
    batch = drawn(dnr, tmp_path / "cache", "dnr-v2").draw()
    assert torch.allclose(batch.targets.sum(dim=1, keepdim=True), batch.mixture, atol=1e-6)
    assert torch.allclose(level_db(batch.mixture), torch.tensor(-27.0), atol=0.1)
    speech, music, _ = level_db(batch.targets).unbind(dim=1)
    assert torch.allclose(speech - music, torch.tensor(7.0), atol=0.1)
    words = BagOfWords()(["speech", "music"])
    assert torch.allclose(batch.embeddings[:, :2], words.expand(200, 2, -1), atol=1e-6)


def test_the_corrected_mixtures_have_one_to_three_and_ask_for_what_is_absent(
    dnr: Path, tmp_path: Path
) -> None:
    batch = drawn(dnr, tmp_path / "cache", "dnr-v2-corrected").draw()
    heard = (batch.targets.square().mean(dim=-1) > 0).sum(dim=1)
    assert {1, 2, 3} == {int(count) for count in heard}
    assert torch.allclose(batch.targets.sum(dim=1, keepdim=True), batch.mixture, atol=1e-6)
    assert level_db(batch.mixture).std() > 3


def test_clips_with_the_same_words_are_one_thing_asked_for(audiocaps: Path, tmp_path: Path) -> None:
    batch = drawn(audiocaps, tmp_path / "cache", "audiocaps").draw()
    same = torch.isclose((batch.embeddings[:, 0] * batch.embeddings[:, 1]).sum(dim=-1), torch.tensor(1.0))
    assert same.any() and not same.all()
    assert torch.equal(batch.targets[same, 0], batch.targets[same, 1])
    assert not torch.allclose(batch.targets[~same, 0], batch.targets[~same, 1])


def test_a_category_that_is_missing_is_named(audiocaps: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="speech, music, event"):
        drawn(audiocaps, tmp_path / "cache", "dnr-v2")


@pytest.mark.parametrize(
    "recipe", ["dnr-v2", "dnr-v2-corrected", "dnr-v2-live", "audiocaps", "audiocaps-corrected"]
)
def test_every_recipe_of_the_paper_trains_on_its_data_as_published(
    dnr: Path, audiocaps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    for place in ("DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{place}_HOME", str(tmp_path / place))
    torch.manual_seed(0)
    codec = Codec(CODEC)
    save_codec("tiny", codec, source="a test", sha256="")
    (tmp_path / "tiny.toml").write_text(TINY.format(recipe=recipe))
    data = audiocaps if recipe.startswith("audiocaps") else dnr
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path / "tiny.toml"), "--data", str(data), "--out", str(tmp_path / "run")])
    assert not ended.value.code
    separator, facts = load_run(tmp_path / "run")
    assert facts.steps == 2 and separator.masker.causal == (recipe == "dnr-v2-live")
    loss = "si_sdr" if recipe in {"dnr-v2", "audiocaps"} else "separation"
    assert f",{loss}," in (tmp_path / "run/log.csv").read_text()
    kept = separator.codec.state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in codec.state_dict().items())
    torch.manual_seed(facts.recipe.seed)
    fresh = Separator(facts.recipe.codec, facts.recipe.masker).masker.state_dict()
    learnt = separator.masker.state_dict()
    assert not torch.equal(learnt["out.weight"], fresh["out.weight"])


def test_the_recipes_say_what_the_paper_says() -> None:
    for name in ("dnr-v2", "audiocaps"):
        recipe = read_recipe(name)
        assert (recipe.steps, recipe.learning_rate, recipe.betas) == (400_000, 1.5e-4, (0.8, 0.99))
        assert (recipe.mixing.batch, recipe.mixing.seconds) == (4, 2.0)
        assert recipe.mixing.sources == (0, 0, 1) and recipe.loss.si_sdr == 1 and recipe.loss.separation == 0
        assert recipe.codec.hop == 320 and recipe.masker.layers == 16 and recipe.masker.group == 1


def test_a_recipe_that_is_like_itself_and_a_codec_of_another_shape_are_refused(
    dnr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.toml").write_text(f'like = "{tmp_path}/a.toml"\n')
    with pytest.raises(ConfigError, match="like itself"):
        read_recipe(str(tmp_path / "a.toml"))
    assert MixingConfig().draw == "labels"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "DATA"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "CACHE"))
    (tmp_path / "tiny.toml").write_text(TINY.format(recipe="dnr-v2"))
    train = ["train", str(tmp_path / "tiny.toml"), "--data", str(dnr), "--out", str(tmp_path / "run")]
    for said in ("no codec 'tiny'", "another codec"):
        with pytest.raises(SystemExit):
            main(train)
        assert said in capsys.readouterr().err
        save_codec("tiny", Codec(CODEC.model_copy(update={"encoder_width": 4})), source="", sha256="")

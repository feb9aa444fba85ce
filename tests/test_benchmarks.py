"""Benchmarks: every published layout is read, and scores are those that can be worked out by hand."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from builders import BagOfWords, linear_separator, transparent_separator, write_bundle
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.evaluate import session, visqol
from rtsep.evaluate.benchmark import BenchmarkReport, ClipScore, load_item, run_benchmark
from rtsep.evaluate.benchmarks import BENCHMARKS, read_benchmark
from rtsep.evaluate.plot import plot_clips
from rtsep.evaluate.scores import FLOOR_DB, sdr_db
from rtsep.evaluate.separation import channel_share, ratio_masked
from rtsep.evaluate.session import benchmark_session

RATE = 24_000
LENGTH = 2400
LISTS = {
    "audiocaps": "idx,caption,labels,src_wav,noise_wav",
    "esc50": "idx,caption,src_wav,noise_wav",
    "clotho": "idx,caption,src_wav,noise_wav1,noise_wav1",
    "music": "idx,caption,src_wav,noise_wav",
}


def wave(seed: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(LENGTH)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")


def write_list(root: Path, name: str, rows: list[list[object]], head: str) -> None:
    path = root / "metadata" / f"{name}_eval.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head.split(","), *rows])


def pair(folder: Path, number: object, level: float = 0.1) -> None:
    """A source, and a mixture of it with another at ``level``."""
    write(folder / f"segment-{number}.wav", wave(1))
    write(folder / f"mixture-{number}.wav", wave(1) + wave(2, level))


def row_of(name: str, number: int, source: str, noise: str) -> list[object]:
    """A row of a list, as wide as it has columns."""
    words = "A dog, barking." if number == 0 else "rain"
    row: list[object] = [number, words, source, noise]
    if name == "audiocaps":
        row.insert(2, "Dog")
    return [*row, noise] if name == "clotho" else row


def published(name: str, root: Path) -> Path:
    """Two clips in the layout of a benchmark; for the first one the list knows the other source's words."""
    if name == "dnr-v2":
        for clip in ("1001", "1002"):
            stems = {"speech": wave(1), "music": wave(2), "sfx": wave(3)}
            for stem, samples in stems.items():
                write(root / "tt" / clip / f"{stem}.wav", samples)
            write(root / "tt" / clip / "mix.wav", sum(stems.values()))
    elif name == "vggsound":
        rows = [
            [
                name,
                f"data/mix_wav/{name}",
                f"data/s0_wav/{name}",
                "cat meowing",
                f"data/s1_wav/{name}",
                "cello",
            ]
            for name in ("a+++0.wav", "a+++1.wav")
        ]
        write_list(root, "vggsound", rows, "file_id,mix_wav,s0_wav,s0_text,s1_wav,s1_text")
        for row in rows:
            write(root / "data/vggsound" / row[1], wave(1) + wave(2))
            write(root / "data/vggsound" / row[2], wave(1))
    elif name == "audioset":
        folder = "evaluation/data/audioset/class_id=0/class_id=0,index=00"
        rows = [[0, "Speech", f"{folder}{n},source.wav", f"{folder}{n},mixture.wav"] for n in (0, 1)]
        write_list(root, name, rows, "idx,caption,src_wav,noise_wav")
        for row in rows:
            below = root / str(row[2]).removeprefix("evaluation/")
            write(below, wave(1))
            write(below.with_name(below.name.replace("source", "mixture")), wave(1) + wave(2))
    else:
        rows = [row_of(name, 0, "a.wav", "b.wav"), row_of(name, 1, "b.wav", "elsewhere.wav")]
        write_list(root, name, rows, LISTS[name])
        for number in (0, 1):
            pair(root / "data" / name, number)
    return root


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_published_layout_is_read_and_letting_all_through_improves_nothing(
    name: str, tmp_path: Path
) -> None:
    items = read_benchmark(name, published(name, tmp_path))
    assert all(path.is_file() for item in items for path in item.files)
    report = run_benchmark(transparent_separator(), BagOfWords(), name, tmp_path, mask=True)
    assert len(report.clips) == len(items) == (6 if name == "dnr-v2" else 2)
    assert not report.missing
    for clip in report.clips:
        assert clip.si_sdri_db == pytest.approx(0, abs=0.01)
        assert clip.sdri_db == pytest.approx(0, abs=0.01)
        expected = -3.01 if name == "dnr-v2" else 0
        assert clip.si_sdr_db == pytest.approx(expected, abs=0.5)
    named = [item.others is not None for item in items]
    assert named == {"dnr-v2": [True] * 6, "vggsound": [True] * 2, "audioset": [False] * 2}.get(
        name, [True, False]
    )
    for clip, others in zip(report.clips, named, strict=True):
        assert (clip.masked_si_sdri_db is not None) == others
        if others:  # equal estimates share the mixture, whose shape is then the mixture's
            assert clip.masked_si_sdri_db == pytest.approx(0, abs=0.01)


def test_dnr_asks_for_every_stem_with_the_others_named(tmp_path: Path) -> None:
    items = read_benchmark("dnr-v2", published("dnr-v2", tmp_path))
    assert [item.name for item in items[:3]] == ["1001/speech", "1001/music", "1001/sfx"]
    assert items[2].prompt == "sound effects"
    assert items[2].others == ("speech", "music")


@pytest.mark.parametrize(("name", "folder"), [("esc50", "audio"), ("music", "audio"), ("audiocaps", "audio")])
def test_without_mixtures_they_are_made_of_the_data_set_at_one_energy(
    name: str, folder: str, tmp_path: Path
) -> None:
    rows = [row_of(name, 0, "a.wav", "b.wav"), row_of(name, 1, "b.wav", "a.wav")]
    write_list(tmp_path, name, rows, LISTS[name])
    write(tmp_path / folder / "a.wav", wave(1, 0.3))
    write(tmp_path / folder / "b.wav", wave(2, 0.01))
    for item in read_benchmark(name, tmp_path):
        mixture, target = load_item(item, RATE)
        rest = mixture - target
        assert rest.square().sum().item() == pytest.approx(target.square().sum().item(), rel=1e-4)
    assert item.others == ("a dog, barking.",)


def test_clips_of_another_rate_and_length_are_fitted(tmp_path: Path) -> None:
    published("esc50", tmp_path)
    write(tmp_path / "data/esc50/segment-0.wav", np.repeat(wave(1), 2)[:4000], 2 * RATE)
    mixture, target = load_item(read_benchmark("esc50", tmp_path)[0], RATE)
    assert mixture.shape == target.shape == (2000,)


def test_what_is_missing_is_counted_named_and_left_out(tmp_path: Path) -> None:
    published("esc50", tmp_path)
    gone = tmp_path / "data/esc50/segment-1.wav"
    gone.unlink()
    report = run_benchmark(transparent_separator(), BagOfWords(), "esc50", tmp_path)
    assert report.missing == (str(gone),)
    assert [clip.clip for clip in report.clips] == ["0"]
    figures = report.to_json()
    assert (figures["clips"], figures["missing"], figures["missing_files"]) == (1, 1, [str(gone)])


def test_silent_targets_and_lonely_ones_are_counted_and_left_out(tmp_path: Path) -> None:
    published("esc50", tmp_path)
    write(tmp_path / "data/esc50/segment-0.wav", np.zeros(LENGTH, np.float32))
    pair(tmp_path / "data/esc50", 1, level=0.0)
    report = run_benchmark(transparent_separator(), BagOfWords(), "esc50", tmp_path)
    assert report.clips == ()
    assert report.silent == 2
    assert report.to_json()["si_sdri_db"] is None


def test_a_limit_takes_clips_evenly(tmp_path: Path) -> None:
    published("dnr-v2", tmp_path)
    report = run_benchmark(transparent_separator(), BagOfWords(), "dnr-v2", tmp_path, limit=2)
    assert [clip.clip for clip in report.clips] == ["1001/speech", "1002/speech"]


@pytest.mark.parametrize(
    ("name", "files", "says"),
    [
        ("dnr-v2", {}, r"no .*tt/ID/mix\.wav: DnR's test set lies in its folder tt"),
        ("esc50", {}, r"no .*metadata/esc50_eval\.csv: AudioSep's list is expected there"),
        ("esc50", {"metadata/esc50_eval.csv": ""}, "the columns idx, caption, src_wav are expected"),
        ("esc50", {"metadata/esc50_eval.csv": LISTS["esc50"] + "\n1,dog\n"}, "row 2: 2 columns, 4 are"),
        ("esc50", {"metadata/esc50_eval.csv": LISTS["esc50"] + "\n1,dog,a,b\n"}, r"or the data set's own"),
        ("clotho", {"metadata/clotho_eval.csv": LISTS["clotho"] + "\n1,a,b,c,d\n"}, r"mixture-0\.wav"),
        ("vggsound", {"vggsound_eval.csv": "file_id,mix_wav\n"}, "s0_text, s1_wav, s1_text are expected"),
        ("audioset", {"metadata/audioset_eval.csv": "\xff"}, "the columns"),
        (
            "audioset",
            {"metadata/audioset_eval.csv": LISTS["esc50"] + "\n0,Speech,x,y\n"},
            "none of the 1 clips of audioset is there: .*x is missing",
        ),
    ],
)
def test_another_layout_is_refused_in_one_line(
    tmp_path: Path, name: str, files: dict[str, str], says: str
) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        run_benchmark(transparent_separator(), BagOfWords(), name, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_none_and_a_clip_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        read_benchmark("esc50", tmp_path / "none")
    published("esc50", tmp_path)
    (tmp_path / "data/esc50/segment-0.wav").write_bytes(b"no sound")
    with pytest.raises(ConfigError, match=r"cannot read the clip .*segment-0\.wav"):
        run_benchmark(transparent_separator(), BagOfWords(), "esc50", tmp_path)


# --- scores ---


def test_sdr_minds_the_level_and_is_what_can_be_worked_out() -> None:
    target, other = torch.tensor([3.0, 0.0, 4.0, 0.0]), torch.tensor([0.0, 0.5, 0.0, 0.0])
    assert float(sdr_db(target + other, target)) == pytest.approx(20, abs=1e-4)
    assert float(sdr_db(0.9 * target, target)) == pytest.approx(20, abs=1e-4)
    assert float(sdr_db(1e-6 * (target + other), 1e-6 * target)) == pytest.approx(20, abs=1e-3)
    assert float(sdr_db(torch.zeros(4), target)) == pytest.approx(0, abs=1e-6)
    assert float(sdr_db(1e9 * other, target)) == FLOOR_DB


def test_estimates_apart_in_frequency_share_the_mixture_between_them() -> None:
    n = torch.arange(9600)
    low, high = torch.sin(0.05 * n), 0.5 * torch.sin(1.5 * n)
    found = ratio_masked(low + high, torch.stack([0.3 * low, 0.3 * high]), hop=240)
    assert torch.allclose(found.sum(dim=0), low + high, atol=1e-4)
    middle = slice(960, -960)
    assert torch.allclose(found[0, middle], low[middle], atol=0.02)
    assert torch.allclose(found[1, middle], high[middle], atol=0.02)


@pytest.mark.parametrize(("still", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_still_mask_is_all_channels_and_one_that_opens_as_one_is_all_time(
    monkeypatch: pytest.MonkeyPatch, still: bool, expected: float
) -> None:
    separator = linear_separator()
    ramp = torch.linspace(0, 1, separator.codec.config.latent if still else 10)

    def masks(features: Tensor, film: Tensor, state: object) -> tuple[Tensor, object]:
        shape = (1, separator.codec.config.latent, 10)
        return (ramp[:, None] if still else ramp).expand(shape), state

    monkeypatch.setattr(separator.masker, "forward", masks)
    size = separator.film_head.out.bias.shape[0]
    found = channel_share(separator, torch.randn(1, 148), torch.zeros(1, 1, 1, size))
    assert found == pytest.approx(expected, abs=1e-5)


def test_visqol_is_measured_where_its_package_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {}

    class Api:
        def Create(self, config: SimpleNamespace) -> None:  # noqa: N802
            asked.update(rate=config.audio.sample_rate, model=Path(config.options.svr_model_path).name)

        def Measure(self, target: np.ndarray, estimate: np.ndarray) -> SimpleNamespace:  # noqa: N802
            assert len(target) == len(estimate) == 4800
            return SimpleNamespace(moslqo=4.25)

    library = SimpleNamespace(__file__="/x/lib.so", VisqolApi=Api)
    settings = SimpleNamespace(
        VisqolConfig=lambda: SimpleNamespace(audio=SimpleNamespace(), options=SimpleNamespace())
    )
    modules = {"visqol": SimpleNamespace(visqol_lib_py=library, __spec__=object())}
    modules["visqol.pb2"] = SimpleNamespace(visqol_config_pb2=settings)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert visqol.has_visqol()
    assert visqol.visqol_mos(torch.zeros(2400), torch.zeros(2400), RATE) == 4.25
    assert asked == {"rate": 48_000, "model": "libsvm_nu_svr_model.txt"}


# --- the command ---


def test_the_command_writes_a_row_a_clip_figures_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, root = write_bundle(tmp_path / "tiny"), published("esc50", tmp_path / "esc")
    (root / "data/esc50/mixture-1.wav").unlink()
    monkeypatch.setattr(session, "embed", lambda name, phrases: BagOfWords()(phrases))
    table, figures, picture = (tmp_path / name for name in ("a.csv", "a.json", "a.png"))
    benchmark_session(str(bundle), "esc50", root, mask=True, csv_file=table, json_file=figures, plot=picture)
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["clip"] == "0"
    assert row["visqol"] == ""
    assert 0 < float(row["channel_share"]) < 1
    found = json.loads(figures.read_text())
    assert found["si_sdri_db"] == pytest.approx(float(row["si_sdri_db"]), abs=1e-3)
    assert found["masked_si_sdri_db_n"] == found["clips"] == found["missing"] == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = " ".join(capsys.readouterr().out.split())
    assert "channel-wise" in said
    assert "1 files missing" in said


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to draw"):
        plot_clips(BenchmarkReport("esc50", (), (), 0).clips, tmp_path / "a.png")
    with pytest.raises(ConfigError, match="cannot write the plot"):
        plot_clips((ClipScore("0", "dog", 1.0, 2.0, 3.0),), tmp_path / "a.nosuch")

"""A packed pool: what comes out is what went in, the first parts teach, and nothing else is needed."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from builders import BagOfWords
from train_builders import BARE, RATE, TINY

from rtsep.cli import main
from rtsep.errors import ConfigError
from rtsep.train.pack import balanced, compand, pack, pack_phrases, pack_session
from rtsep.train.packed import PackedPhrases, expand, is_packed, open_packed
from rtsep.train.phrases import Phrases
from rtsep.train.pool import Pool
from rtsep.train.row import Row
from rtsep.train.vocabulary import read_vocabulary


def by_name(pool: Pool) -> list[tuple[str, str, bytes]]:
    samples = [pool.samples[clip.start : clip.start + clip.length].tobytes() for clip in pool.clips]
    return sorted((clip.label, clip.caption, wave) for clip, wave in zip(pool.clips, samples, strict=True))


def test_files_come_out_as_they_went_in(tmp_path: Path, table: Path, pool: Pool) -> None:
    paths = pack(table, tmp_path, RATE, encoding="files", part_bytes=150_000)
    assert len(paths) > 2
    assert all(path.stat().st_size < 150_000 + 5000 for path in paths)
    assert by_name(open_packed(tmp_path, RATE)) == by_name(pool)


def test_mulaw_keeps_labels_and_nearly_the_sound(tmp_path: Path, table: Path, pool: Pool) -> None:
    pack(table, tmp_path, RATE, encoding="mulaw", part_bytes=50_000)
    expected = sorted(
        (label, caption, expand(compand(np.frombuffer(wave, np.int16))).tobytes())
        for label, caption, wave in by_name(pool)
    )
    assert by_name(open_packed(tmp_path, RATE)) == expected


@pytest.mark.parametrize(("level", "least_db"), [(0.3, 37), (0.1, 37), (0.01, 34), (0.001, 23)])
def test_mulaw_keeps_38_db_and_of_quiet_sound_less(level: float, least_db: float) -> None:
    wave = (32768 * level * np.random.default_rng(0).standard_normal(20_000)).clip(-32768, 32767)
    error = expand(compand(wave.astype(np.int16))) - wave
    assert 10 * np.log10(np.square(wave).mean() / np.square(error).mean()) > least_db


def test_companding_has_every_level_and_is_exact_where_it_must_be() -> None:
    everything = np.arange(-32768, 32768).astype(np.int16)
    bits = compand(everything)
    assert set(bits.tolist()) == set(range(1, 256))
    found = expand(bits)
    assert np.array_equal(compand(found), bits)
    assert found[32768] == 0
    assert np.allclose(found[32769:].astype(int), -found[32767:0:-1].astype(int), atol=1)  # 32768 is none
    assert np.abs(found - everything.astype(int))[np.abs(everything.astype(int)) > 2000].max() < 800


def test_a_pool_of_some_parts_is_a_smaller_pool(tmp_path: Path, table: Path) -> None:
    paths = pack(table, tmp_path, RATE, encoding="mulaw", part_bytes=50_000)
    whole = open_packed(tmp_path, RATE)
    paths[-1].unlink()
    some = open_packed(tmp_path, RATE)
    assert some.clips == whole.clips[: len(some.clips)]
    assert np.array_equal(some.samples, whole.samples[: len(some.samples)])
    assert 0 < len(some.clips) < len(whole.clips)


def test_clips_that_are_cut_out_of_a_file_are_packed_as_they_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "long.wav", np.linspace(-0.5, 0.5, 10 * RATE), RATE)
    rows = [
        Row(tmp_path / "long.wav", "dog", start_s=1, stop_s=3),
        Row(tmp_path / "long.wav", "cat", start_s=9),
    ]
    monkeypatch.setattr("rtsep.train.pack.read_rows", lambda _: rows)
    pack(tmp_path, tmp_path / "out", RATE, encoding="mulaw", part_bytes=1_000_000)
    packed = open_packed(tmp_path / "out", RATE)
    assert {clip.label: clip.length for clip in packed.clips} == {"dog": 2 * RATE, "cat": RATE}
    with pytest.raises(ConfigError, match="several clips: pack them as mulaw"):
        pack(tmp_path, tmp_path / "out", RATE, encoding="files", part_bytes=1_000_000)
    assert open_packed(tmp_path / "out", RATE).clips == packed.clips, "what was there is kept"


def test_every_start_of_the_order_is_balanced_over_labels() -> None:
    labels = ["speech"] * 500 + ["dog"] * 40 + ["rare"] * 3
    sizes = np.random.default_rng(0).integers(1, 10, len(labels)).tolist()
    order = balanced(labels, sizes)
    assert sorted(order) == list(range(len(labels)))
    taken: Counter[str] = Counter()
    for index in order[:80]:
        taken[labels[index]] += sizes[index]
    assert taken["rare"] == sum(sizes[-3:])
    assert abs(taken["speech"] - taken["dog"]) <= 10
    speech = [index for index in order if labels[index] == "speech"]
    assert speech != sorted(speech)


def test_a_clip_larger_than_a_part_is_refused(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.wav has \d+ bytes, a part at most 1000"):
        pack(table, tmp_path, RATE, encoding="files", part_bytes=1000)
    (tmp_path / "clips.csv").write_text("path,label\nnone.wav,dog\n")
    with pytest.raises(ConfigError, match=r"cannot read .*none\.wav"):
        pack(tmp_path / "clips.csv", tmp_path, RATE, encoding="files", part_bytes=1000)


def test_phrases_come_back_as_the_encoder_gave_them(tmp_path: Path) -> None:
    phrases = ["dog", "a dog barks"]
    pack_phrases(tmp_path, "bag-of-words", phrases, BagOfWords()(phrases))
    packed = PackedPhrases(tmp_path, "bag-of-words")
    assert torch.allclose(packed(phrases[::-1]), BagOfWords()(phrases[::-1]), atol=1e-3)
    assert torch.allclose(packed(phrases).norm(dim=-1), torch.ones(2), atol=1e-6)
    with pytest.raises(ConfigError, match="lacks 1 phrases, 'cat' first: pack again"):
        packed(["dog", "cat"])
    with pytest.raises(ConfigError, match="was made with bag-of-words, the recipe names minilm"):
        PackedPhrases(tmp_path, "minilm")


def test_what_is_damaged_or_missing_is_named_in_one_line(tmp_path: Path, table: Path) -> None:
    pack_phrases(tmp_path, "bag-of-words", ["dog"], torch.ones(1, 16))
    assert is_packed(tmp_path)
    assert not is_packed(table.parent)
    with pytest.raises(ConfigError, match="but no part-"):
        open_packed(tmp_path, RATE)
    (part, *_) = pack(table, tmp_path, RATE, encoding="mulaw", part_bytes=10**9)
    with pytest.raises(ConfigError, match=f"holds {RATE} Hz, the recipe wants 48000 Hz"):
        open_packed(tmp_path, 48_000)
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"part-00\.safetensors is damaged") as caught:
        open_packed(tmp_path, RATE)
    assert "\n" not in str(caught.value)


def test_phrases_suffice_whatever_parts_are_there(tmp_path: Path) -> None:
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "caption"])
        for number in range(40):
            soundfile.write(tmp_path / f"{number}.wav", np.full(100 + number, 0.1), RATE)
            writer.writerow([f"{number}.wav", "dog", f"dog number {number}"])
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    packed = tmp_path / "pack"
    pack_session(tmp_path / "clips.csv", packed, str(recipe), encoding="mulaw", part_bytes=900)
    parts = sorted(packed.glob("part-*"))
    assert len(parts) > 4
    for part in parts[:-1]:
        part.unlink()
        Phrases(open_packed(packed, RATE).clips, PackedPhrases(packed, "bag-of-words"), read_vocabulary())


def test_a_bare_machine_trains_from_a_pack_resumes_and_sends_parts_back(tmp_path: Path, table: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    line = ["pack", table, tmp_path / "pack", "--recipe", recipe, "--encoding", "mulaw", "--part-mb", "0.05"]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in line])
    assert not ended.value.code
    assert len(list((tmp_path / "pack").iterdir())) > 3

    def train(*more: str) -> None:
        line = [
            "train",
            recipe,
            "--data",
            tmp_path / "pack",
            "--out",
            tmp_path / "run",
            "--compute",
            "cpu",
            *more,
        ]
        command = [sys.executable, "-c", BARE, *map(str, line)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr[-2000:]

    train("--steps", "2")
    train("--parts", str(tmp_path / "parts"))
    with (tmp_path / "run" / "log.csv").open() as file:
        assert {row["step"] for row in csv.DictReader(file)} == {"2", "4"}
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["checkpoint.pt.00"]

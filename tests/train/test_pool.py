"""The pool: every clip decoded once, from a table; what is wrong is named in one line."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from train_builders import RATE

from rtsep.errors import ConfigError
from rtsep.train.pack import pack
from rtsep.train.packed import open_packed
from rtsep.train.pool import Pool, open_pool, recordings


def test_a_pool_holds_every_clip_at_its_rate(pool: Pool, table: Path) -> None:
    assert pool.samples.dtype == np.int16
    assert sum(clip.length for clip in pool.clips) == len(pool.samples)
    rows = csv.DictReader(table.read_text().splitlines())
    for clip, row in zip(pool.clips, rows, strict=True):
        samples, rate = soundfile.read(table.parent / row["path"])
        assert (clip.label, clip.category, clip.caption) == (row["label"], row["category"], row["caption"])
        assert clip.length == pytest.approx(len(samples) * RATE / rate, abs=1)
        if rate == RATE:
            found = pool.samples[clip.start : clip.start + clip.length] / 32767
            assert np.abs(found - samples.clip(-1, 1)).max() <= 1e-4


def test_a_pool_is_decoded_once(
    pool: Pool, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_pool(table, tmp_path, RATE)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was decoded")

    monkeypatch.setattr("soundfile.read", refuse)
    again = open_pool(table, tmp_path, RATE)
    assert again.clips == first.clips == pool.clips
    assert np.array_equal(again.samples, first.samples)


def test_tables_that_read_alike_in_two_folders_are_two_pools(tmp_path: Path) -> None:
    pools = []
    for name, level in (("one", 0.1), ("two", 0.5)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", np.full(100, level), RATE)
        (tmp_path / name / "clips.csv").write_text("path,label\na.wav,dog\n")
        pools.append(open_pool(tmp_path / name / "clips.csv", tmp_path / "cache", RATE))
    assert not np.array_equal(pools[0].samples, pools[1].samples)
    assert pools[0].clips[0].category == "event"


def test_clips_of_one_recording_are_told_from_a_table_and_worth_less_than_as_many_recordings(
    tmp_path: Path,
) -> None:
    lines = ["path,label,group"]
    for number, group in enumerate(("walk", "walk", "walk", "walk", "home", "", "")):
        soundfile.write(tmp_path / f"{number}.wav", np.full(100, 0.1), RATE)
        lines.append(f"{number}.wav,dog,{group}")
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    pack(tmp_path / "clips.csv", tmp_path / "packed", RATE, encoding="mulaw", part_bytes=250)
    opened = open_pool(tmp_path / "clips.csv", tmp_path / "cache", RATE)
    again = open_pool(tmp_path / "clips.csv", tmp_path / "cache", RATE)
    packed = open_packed(tmp_path / "packed", RATE)
    for clips in (opened.clips, again.clips, packed.clips):
        of, worth = recordings(sorted(clips, key=lambda clip: clip.group, reverse=True))
        assert of.tolist() == [0, 0, 0, 0, 1, 2, 3]
        assert worth.tolist() == [0.5, 0.5, 0.5, 0.5, 1, 1, 1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the table of clips"),
        (b"", "no rows with the columns 'path' and 'label'"),
        (b"path,label\n", "no rows with the columns 'path' and 'label'"),
        (b"file,label\na.wav,dog\n", "no rows with the columns 'path' and 'label'"),
        (b"path,label\nmissing.wav,dog\n", "cannot read"),
        (b"path,label\nclips.csv,dog\n", "cannot read"),
        (b"path,label\n\xff.wav,dog\n", "cannot read"),
        (b"label,path\ndog\n", "clips.csv, line 2: path or label is missing"),
        (b"path,label\na.wav\n", "clips.csv, line 2: path or label is missing"),
    ],
)
def test_a_bad_table_is_named_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    table = tmp_path / "clips.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        open_pool(table, tmp_path / "cache", RATE)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_as_a_spreadsheet_writes_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.wav")
    (tmp_path / "clips.csv").write_text("path,label\na.wav,dog\n", encoding="utf-8-sig")
    assert open_pool(tmp_path / "clips.csv", tmp_path / "cache", RATE).clips[0].label == "dog"
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".npy"]


def write(path: Path, level: float = 0.1, samples: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(samples, level), RATE)


def test_a_folder_of_labelled_audio_is_enough(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data / "dog_barking" / "a.wav", 0.1)
    write(data / "dog_barking" / "more" / "b.FLAC", 0.2)
    write(data / "rain" / "c.ogg", 0.3, 300)
    (data / "rain" / "notes.txt").write_text("not audio")
    (data / "readme.md").write_text("not audio")
    pool = open_pool(data, tmp_path / "cache", RATE)
    assert [(clip.label, clip.category, clip.length) for clip in pool.clips] == [
        ("dog barking", "event", 100),
        ("dog barking", "event", 100),
        ("rain", "event", 300),
    ]
    assert pool.samples[50] == pytest.approx(0.1 * 32767, abs=1)
    assert pool.samples[150] == pytest.approx(0.2 * 32767, abs=1)


def test_a_folder_with_a_table_is_read_by_the_table(tmp_path: Path) -> None:
    write(tmp_path / "any" / "a.wav")
    write(tmp_path / "any" / "b.wav")
    (tmp_path / "clips.csv").write_text("path,label,category\nany/b.wav,cello,music\n")
    pool = open_pool(tmp_path, tmp_path / "cache", RATE)
    assert [(clip.label, clip.category) for clip in pool.clips] == [("cello", "music")]
    (tmp_path / "second.csv").write_text("path,label\n")
    with pytest.raises(ConfigError, match=r"holds several tables \(clips\.csv, second\.csv\): name one"):
        open_pool(tmp_path, tmp_path / "cache", RATE)


def test_a_folder_that_says_no_label_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(ConfigError, match="holds no table of clips and no audio in sub-folders"):
        open_pool(tmp_path / "data", tmp_path / "cache", RATE)
    write(tmp_path / "data" / "dog" / "a.wav")
    write(tmp_path / "data" / "stray.wav")
    with pytest.raises(ConfigError, match=r"stray\.wav lies in no sub-folder"):
        open_pool(tmp_path / "data", tmp_path / "cache", RATE)


def test_an_empty_clip_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "dog" / "a.wav", samples=0)
    with pytest.raises(ConfigError, match=r"a\.wav holds no sound"):
        open_pool(tmp_path, tmp_path / "cache", RATE)


@pytest.mark.parametrize(("missing", "rate"), [("soundfile", RATE), ("soxr", 2 * RATE)])
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, rate: int
) -> None:
    (tmp_path / "dog").mkdir()
    soundfile.write(tmp_path / "dog" / "a.wav", np.full(100, 0.1), rate)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=f"needs {missing}, which is not installed"):
        open_pool(tmp_path, tmp_path / "cache", RATE)

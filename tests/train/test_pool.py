"""The pool: every clip decoded once, from a table; what is wrong is named in one line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from train_builders import RATE

from rtsep.errors import ConfigError
from rtsep.train.pool import Pool, open_pool


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

    monkeypatch.setattr("rtsep.train.pool.soundfile.read", refuse)
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
        (b"label,path\ndog\n", "clips.csv"),
    ],
)
def test_a_bad_table_is_named_in_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    table = tmp_path / "clips.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        open_pool(table, tmp_path / "cache", RATE)
    assert str(table) in str(caught.value)
    assert "\n" not in str(caught.value)

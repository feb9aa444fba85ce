"""What ``rtsep batch`` takes of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsep.batch import jobs
from rtsep.errors import CommandError


def test_every_sound_file_is_taken_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    taken = ["a.wav", "b.OPUS", "c.aif", "d.flac", "e.mp3", "f.ogg", "g.rtc"]
    for name in (*taken, "notes.txt", "x.raw", ".hidden.wav"):
        (source / name).touch()
    assert [Path(job["source"]).name for job in jobs(source, tmp_path / "out")] == taken


def test_a_result_that_would_be_a_source_of_the_next_run_is_refused(tmp_path: Path) -> None:
    inner = tmp_path / "in" / "in"
    inner.mkdir(parents=True)
    (inner / "dog.wav").touch()
    with pytest.raises(CommandError, match="results need a folder of their own"):
        list(jobs(tmp_path / "in", tmp_path))
    assert len(list(jobs(tmp_path / "in", tmp_path / "out"))) == 1

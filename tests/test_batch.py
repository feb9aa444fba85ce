"""What ``rtsep batch`` takes of a folder."""

from __future__ import annotations

from pathlib import Path

from rtsep.batch import jobs


def test_every_sound_file_is_taken_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    taken = ["a.wav", "b.OPUS", "c.aif", "d.flac", "e.mp3", "f.ogg", "g.rtc"]
    for name in (*taken, "notes.txt", "x.raw", ".hidden.wav"):
        (source / name).touch()
    assert [Path(job["source"]).name for job in jobs(source, tmp_path / "out")] == taken

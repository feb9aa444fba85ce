"""The collector leaves alone what is there to stay, as long as anybody wants that."""

from __future__ import annotations

import gc

import pytest

import rtsep.garbage
from rtsep.garbage import settled


def test_what_is_there_is_left_alone_until_the_last_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsep.garbage, "_blocks", set())  # other tests' engines may still be open
    before = gc.get_freeze_count()
    kept: list[list[int]] = [[] for _ in range(1000)]
    with settled():
        first = gc.get_freeze_count()
        assert first >= before + len(kept)
        more: list[list[int]] = [[] for _ in range(1000)]
        with settled():
            assert gc.get_freeze_count() >= first + len(more)
        assert gc.get_freeze_count() >= first
    assert gc.get_freeze_count() == 0

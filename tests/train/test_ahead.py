"""Batches drawn ahead are those that would have been drawn anyway."""

from __future__ import annotations

import threading

import pytest
import torch
from train_builders import CPU, mixer

from rtsep.train.ahead import Ahead
from rtsep.train.mixture import Batch
from rtsep.train.pool import Pool


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


def test_batches_are_the_sources_own_in_their_order(pool: Pool) -> None:
    ahead, plain = Ahead(mixer(pool, seed=3), CPU), mixer(pool, seed=3)
    assert all(equal(ahead.draw(), plain.draw()) for _ in range(4))


def test_the_next_batch_is_drawn_by_another_thread_before_it_is_asked_for(pool: Pool) -> None:
    source = mixer(pool, seed=3)
    ahead, drawn = Ahead(source, CPU), threading.Event()
    whole, threads = source.draw, []

    def draw() -> Batch:
        threads.append(threading.current_thread())
        batch = whole()
        if len(threads) == 2:
            drawn.set()
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "draw", draw)
        ahead.draw()
        assert drawn.wait(30)
    assert threads[0] is threading.current_thread() is not threads[1]


def test_a_state_goes_on_after_the_batches_that_were_given_not_those_drawn_ahead(pool: Pool) -> None:
    ahead = Ahead(mixer(pool, seed=3), CPU)
    fresh = Ahead(mixer(pool, seed=4), CPU)
    for _ in range(2):
        ahead.draw()
        fresh.draw()
    fresh.resume(ahead.state())
    assert equal(fresh.draw(), ahead.draw())


def test_a_new_seed_forgets_what_was_drawn_ahead(pool: Pool) -> None:
    ahead, plain = Ahead(mixer(pool, seed=3), CPU), mixer(pool, seed=5)
    ahead.draw()
    ahead.reseed(5)
    assert equal(ahead.draw(), plain.draw())


def test_an_error_in_a_batch_is_the_trainers(pool: Pool) -> None:
    source = mixer(pool, seed=3)
    ahead = Ahead(source, CPU)

    def fail() -> Batch:
        raise ValueError("no sound")

    with pytest.MonkeyPatch.context() as patch:
        ahead.draw()
        ahead.draw()
        patch.setattr(source, "draw", fail)
        ahead.draw()
        with pytest.raises(ValueError, match="no sound"):
            ahead.draw()

"""The next batch is made while this one is learned from: drawing takes as long as a compiled step."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from rtsep.models.neighbours import Bank
from rtsep.train.mixture import Batch, Batches


class Ahead:
    """Batches of another source, each drawn by a thread of its own while the one before it is in use.

    What a batch holds is what the source would have drawn without it.

    Args:
        source: where batches come from; nothing else may draw from it meanwhile.
        device: where they are made.
    """

    def __init__(self, source: Batches, device: torch.device) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, "batches", partial(_enter, device))
        self._next: Future[Batch] | None = None
        self._state = source.generator.get_state()

    @property
    def data(self) -> Mapping[str, float]:
        """What the pool has."""
        return self._source.data

    @property
    def bank(self) -> Bank:
        """Phrases that prompts are blended of."""
        return self._source.bank

    def compile(self) -> None:
        """Have the source's arithmetic compiled."""
        self._source.compile()

    def draw(self) -> Batch:
        """The next batch; the one after it is begun."""
        batch = self._source.draw() if self._next is None else self._next.result()
        self._state = self._source.generator.get_state()
        self._next = self._thread.submit(self._source.draw)
        return batch

    def state(self) -> Tensor:
        """Of the generator, as the batches given so far have left it."""
        return self._source.generator.get_state() if self._next is None else self._state

    def reseed(self, seed: int) -> None:
        """Begin elsewhere."""
        self._forget()
        self._source.generator.manual_seed(seed)

    def resume(self, state: Tensor) -> None:
        """Go on from a ``state``."""
        self._forget()
        self._source.generator.set_state(state)

    def _forget(self) -> None:
        if self._next is not None:
            self._next.result()
            self._next = None


def _enter(device: torch.device) -> None:
    """What a thread launches goes to its own current device."""
    if device.index is not None:
        torch.cuda.set_device(device)

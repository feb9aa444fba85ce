"""Python's collector of garbage, kept away from what is there to stay."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_blocks: set[object] = set()


@contextmanager
def settled() -> Iterator[None]:
    """Within this block the collector leaves alone what there was at its start.

    To go through all that is loaded by then stops every thread for 60 to 100 ms. Several such blocks may be
    open in a process: the collector gets everything back when the last one ends.
    """
    block = object()
    with _lock:
        _blocks.add(block)
        gc.freeze()
    try:
        yield
    finally:
        with _lock:
            _blocks.discard(block)
            if not _blocks:
                gc.unfreeze()

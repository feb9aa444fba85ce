"""Many rows through one kind of worker, side by side on Ray Data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
import ray.data

from rtsep.serve.ray_cluster import cluster

Row = dict[str, Any]


def each(
    rows: Sequence[Row], worker: Callable[..., Callable[[Any], Any]], given: tuple[object, ...]
) -> Iterator[Row]:
    """What becomes of each row, in the order in which they are done.

    Args:
        rows: small; they name what is worked on.
        worker: a class, made once in each process and called with one row after the other.
        given: to make it with.
    """
    if not rows:
        return
    with cluster():
        ray.data.DataContext.get_current().enable_progress_bars = False
        processors = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]  # Ray's
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, min(processors, len(rows))))
        kind: Any = worker
        found = ray.data.from_items(list(rows), override_num_blocks=len(rows))
        yield from found.map(kind, fn_constructor_args=given, compute=pool, num_cpus=1).iter_rows()

"""The Ray that replicas and batches run on: the cluster of RAY_ADDRESS, or one of this machine's own."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

import ray

from rtsep.errors import EngineError


@contextlib.contextmanager
def cluster() -> Iterator[None]:
    """Ray as long as the block lasts; one that this process is part of already is left as it is.

    Raises:
        EngineError: there is no cluster at RAY_ADDRESS.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # its makers need not know
    address = os.environ.get("RAY_ADDRESS", "local")
    logging.getLogger("ray").setLevel(logging.WARNING)
    local = address == "local"
    dashboard = False if local else None
    try:
        ray.init(
            address=address,
            include_dashboard=dashboard,
            log_to_driver=not local,
            logging_level=logging.WARNING,
        )
    except (ConnectionError, ValueError) as error:
        raise EngineError(f"no Ray at {address}: start one, or unset RAY_ADDRESS") from error
    try:
        yield
    finally:
        ray.shutdown()

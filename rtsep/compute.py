"""Where the model runs."""

from __future__ import annotations

import torch

from rtsep.config import Compute
from rtsep.errors import ConfigError


def compute_device(compute: Compute) -> torch.device:
    """The device meant; ``auto`` is the graphics processor where there is one.

    Raises:
        ConfigError: there is no such device here.
    """
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    found = [name for name in have if have[name]]
    if compute == "auto":
        return torch.device(found[0])
    if compute not in found:
        raise ConfigError(f"--compute {compute}: this machine has {', '.join(found)}")
    return torch.device(compute)

"""Several GPUs, a process each: ``torchrun --nproc-per-node N --no-python rtsep train ...``."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone by default."""

    number: int = 0
    """The first one saves, logs and validates."""
    count: int = 1

    def join(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over all ranks, and the first rank's weights."""
        return DistributedDataParallel(module) if self.count > 1 else module

    def agree(self, wish: bool, device: torch.device) -> bool:
        """Whether any rank wishes it: all must stop at the same step, or the others wait for ever."""
        if self.count == 1:
            return wish
        wishes = torch.tensor(float(wish), device=device)
        distributed.all_reduce(wishes)
        return wishes.item() > 0


def join_ranks(device: torch.device) -> tuple[Ranks, torch.device]:
    """Join the other processes that torchrun has started; each takes a GPU of its own.

    Args:
        device: where this process would run alone.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Ranks(), device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(distributed.get_rank(), count), device


def leave_ranks() -> None:
    """Part from the others; does nothing alone."""
    if distributed.is_initialized():
        distributed.destroy_process_group()

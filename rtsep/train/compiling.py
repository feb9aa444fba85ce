"""``torch.compile``, where a run asks for it."""

from __future__ import annotations

from typing import TypeVar

Compiled = TypeVar("Compiled")


def compiled(what: Compiled) -> Compiled:
    """A module or function compiled when it is first called; whatever cannot be compiled runs as it is."""
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True
    result: Compiled = torch.compile(what)  # type: ignore[call-overload]  # takes and gives either
    return result

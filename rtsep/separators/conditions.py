"""What stands for each prompt, asked of a separator once and checked before the audio sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from rtsep.errors import EngineError
from rtsep.models.prompts import Recent
from rtsep.separators.protocol import LiveSeparator


class Conditions:
    """Conditions of prompts, remembered; what an engine takes as its ``films``.

    Args:
        separator: who makes them.
    """

    def __init__(self, separator: LiveSeparator) -> None:
        self._separator = separator
        self._memory = Recent()

    def __call__(self, prompt: str) -> Tensor:
        """The condition of a prompt, (condition_size,).

        Raises:
            RtsepError: the separator does not understand the prompt.
            EngineError: what it makes of it is not what it says it makes.
        """
        if prompt in self._memory:
            return self._memory[prompt]
        found = self._memory[prompt] = self._checked(self._separator.condition(prompt), prompt)
        return found

    def knows(self, prompt: str) -> bool:
        """Whether a call will return at once."""
        return prompt in self._memory or self._separator.knows(prompt)

    def _checked(self, found: Tensor, prompt: str) -> Tensor:
        name, size = self._separator.name, self._separator.condition_size
        if not isinstance(found, Tensor) or tuple(found.shape) != (size,):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise EngineError(f"separator {name}: {prompt!r} becomes {shape}, not the ({size},) it promises")
        if not found.isfinite().all():
            raise EngineError(f"separator {name}: {prompt!r} becomes numbers that are not finite")
        return found.detach().to("cpu", torch.float32)

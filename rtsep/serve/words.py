"""What clients want to hear, made ready beside the event loop: the text encoder is a process away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from rtsep.control import Console
from rtsep.models.bundle import Bundle
from rtsep.models.condition import Condition
from rtsep.models.prompts import FilmCache
from rtsep.models.text_process import EncoderProcess
from rtsep.serve.session import code_condition


class Words:
    """Conditions of consoles; a known prompt never waits for an unknown one.

    Args:
        bundle: the model.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._encoder: EncoderProcess | None = None
        self._films = FilmCache(bundle, encode=self._encode)
        self._thread = ThreadPoolExecutor(1, "rtsep-words")

    async def condition(self, console: Console, *, whole: bool) -> Condition:
        """What a console asks of codes.

        Raises:
            RtsepError: a prompt cannot be understood.
        """
        if all(self._films.knows(console.strips[index].text) for index in console.used):
            return self._made(console, whole)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._made, console, whole)

    def close(self) -> None:
        """End the text encoder's process."""
        self._thread.shutdown(cancel_futures=True)
        if self._encoder is not None:
            self._encoder.close()

    def _made(self, console: Console, whole: bool) -> Condition:
        parameters = self._bundle.separator.film_head.out.out_features
        return code_condition(console, self._films, parameters, whole=whole)

    @property
    def _encode(self) -> Callable[[str, list[str]], Tensor]:
        def encode(encoder: str, phrases: list[str]) -> Tensor:
            if self._encoder is None:  # the first unknown prompt pays for its start
                self._encoder = EncoderProcess(encoder)
            return self._encoder(encoder, phrases)

        return encode

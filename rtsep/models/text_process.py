"""A text encoder in a process of its own. Nothing heavy loads with this file: that process begins with it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rtsep.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor


class EncoderProcess:
    """A text encoder in a process of its own, away from the audio, which stays loaded until it is closed.

    An unseen prompt then costs what encoding takes, not what loading does. Use it with ``with``.

    Args:
        encoder: name of the text encoder.
        threads: processor threads that it may use.
    """

    def __init__(self, encoder: str, threads: int = 1) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        # A daemon ends with this process, however that ends.
        self._process = context.Process(target=_encode_for_ever, args=(encoder, theirs, threads), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self, encoder: str, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, dim); ``encoder`` is the one that was loaded. One thread at a time.

        Raises:
            BundleError: the process has died, or cannot load the encoder.
        """
        try:
            self._ours.send(list(phrases))
            found = self._ours.recv()
        except (EOFError, OSError) as error:
            raise BundleError(
                f"the text encoder {encoder} could not be loaded, or was ended: start again"
            ) from error
        if isinstance(found, BundleError):
            raise found
        import torch

        return torch.from_numpy(found)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()  # it has nothing to finish, and may have inherited deafness to less
        self._process.join()
        self._ours.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()


def _encode_for_ever(encoder: str, pipe: Connection, threads: int) -> None:
    """What the process of an encoder does."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)  # before anything is loaded: whoever has started this is about to play its first sound
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's, which then ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    _answer(encoder, pipe)


def _end_with_parent() -> None:
    """End when whoever started this has, even if killed: a closed pipe is seen only once all is loaded."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(encoder: str, pipe: Connection) -> None:
    """Answer lists of phrases with embeddings, or with why it cannot, until nobody is there to ask."""
    from rtsep.models.text import TEXT_ENCODERS

    with contextlib.suppress(EOFError):
        try:
            embed_phrases = TEXT_ENCODERS[encoder]()
        except BundleError as error:
            pipe.recv()
            pipe.send(error)
            return
        while True:
            pipe.send(embed_phrases(pipe.recv()).numpy())

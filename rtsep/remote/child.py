"""A Python process of ours that is spoken with over a wire."""

from __future__ import annotations

import subprocess
import sys

from rtsep.remote.wire import Courier, Wire

ENDS_S = 5.0
"""What is to end gets so long, to say goodbye to whoever it knows, before it is killed."""


class Child:
    """``python -m MODULE``, from its start until it is gone; it makes a ``Wire.of_this_process``."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.wire = Wire(self._process.stdout, self._process.stdin)  # type: ignore[arg-type]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self, courier: Courier | None = None, patience_s: float = ENDS_S) -> None:
        """Hang up, once a courier has brought what it has, and wait until the process is gone."""
        if courier is not None:
            courier.stop()
            courier.done(patience_s)
            if courier.is_alive():  # stuck in a pipe that nobody empties
                self._process.kill()
        self.wire.hang_up()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

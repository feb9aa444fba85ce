"""Connections on a JACK server, PipeWire's too: what a client was connected to, kept for the next time.

The server's own small programs do it: a library of JACK's in this process would have a thread of its own,
which may end the process when the server goes.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from platformdirs import user_state_path

from rtsep.errors import DeviceError

Connections = dict[str, list[str]]
"""Ports of other clients by own port, such as ``{"out_0": ["system:playback_1"]}``."""

_PATIENCE_S = 10.0


def connections(client: str) -> Connections:
    """What the ports of a client are connected to.

    Raises:
        DeviceError: the programs of JACK are missing, or there is no server.
    """
    found: Connections = {}
    own: list[str] | None = None
    for line in _program("jack_lsp", "-c").splitlines():
        if not line.startswith(" "):
            name, _, port = line.partition(":")
            own = found.setdefault(port, []) if name == client else None
        elif own is not None:
            own.append(line.strip())
    return found


def connect(client: str, wanted: Connections) -> list[str]:
    """Connect a client so, and not otherwise, as far as the ports are there; returns what could not be.

    Raises:
        DeviceError: as ``connections``.
    """
    missing: list[str] = []
    for port, there in connections(client).items():
        ours, links = f"{client}:{port}", wanted.get(port, [])
        for other in set(there) - set(links):
            _program("jack_disconnect", ours, other)
        new = [other for other in links if other not in there]
        missing += [
            f"{ours} - {other}" for other in new if not _program("jack_connect", ours, other, must=False)
        ]
    return missing


class Memory:
    """The connections that a client had at the end of its last run.

    Args:
        name: it goes by, and asks the server for.
        folder: where memories are kept, by default the user's state folder.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._file = (folder or user_state_path("rtsep") / "connections") / f"{name}.json"
        self._client = name
        self._wanted = read(self._file)

    def restore(self, client: str) -> list[str]:
        """Connect a client as it was; one without a memory is left as it is, and connected so the next time.

        Args:
            client: what the server calls it, where that is known.

        Returns:
            What could not be connected: ports that are not there.

        Raises:
            DeviceError: as ``connections``.
        """
        self._client = client or self._client
        if self._wanted:
            return connect(self._client, self._wanted)
        self._wanted = connections(self._client)
        return []

    def keep(self) -> None:
        """Remember how the client is connected, for the next run.

        Raises:
            DeviceError: the memory cannot be written.
        """
        now = _still(self._client) or self._wanted  # of one that has gone, or whose server has
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise DeviceError(f"cannot remember the connections in {self._file}: {error.strerror}") from error


def read(file: Path) -> Connections:
    """A memory; empty where there is none, or none that can be understood."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    good = isinstance(found, dict) and all(
        isinstance(there, list) and all(isinstance(other, str) for other in there) for there in found.values()
    )
    return found if good else {}


def _still(client: str) -> Connections:
    try:
        return connections(client)
    except DeviceError:
        return {}


def _program(name: str, *arguments: str, must: bool = True) -> str:
    """What a program of JACK's says; empty where it fails and need not succeed."""
    try:
        done = subprocess.run(
            [name, *arguments], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except FileNotFoundError as error:
        raise DeviceError(f"--connect needs {name}: apt-get install jackd2 or jack-example-tools") from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"the JACK server does not answer {name}") from error
    if done.returncode and must:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise DeviceError(f"{name} {' '.join(arguments)}: {said[-1]}")
    return "" if done.returncode else done.stdout or "done"

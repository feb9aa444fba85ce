"""Fetching one large file: resumed where it broke off, checked before anybody uses it."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TransferSpeedColumn,
)

from rtsep.errors import BundleError

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
"""Without a byte for so long, the other side counts as gone."""


def download(url: str, partial: Path) -> None:
    """Fetch a file, going on where an earlier attempt broke off, with a progress bar.

    Args:
        url: what to fetch.
        partial: where it is gathered; it stays there when the connection breaks, for the next attempt.

    Raises:
        BundleError: there is no connection, the server has no such file, or it ended early.
    """
    have = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            if have and answer.status != http.client.PARTIAL_CONTENT:
                have = 0  # a server that cannot resume sends all of it
            length = answer.headers.get("Content-Length")
            whole = None if length is None else have + int(length)
            partial.parent.mkdir(parents=True, exist_ok=True)
            got = _copy(answer, partial, have, whole)
    except urllib.error.HTTPError as error:
        if have and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink()  # what is there is as long as the file, or longer: not the start of it
            return download(url, partial)
        raise BundleError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BundleError(
            f"cannot fetch {url} ({reason}): without a network, 'rtsep bundles import' takes a local file"
        ) from error
    if whole is not None and got < whole:
        raise BundleError(
            f"{url} broke off after {got / 1e6:.1f} of {whole / 1e6:.1f} MB: run it again, it goes on there"
        )


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(answer: http.client.HTTPResponse, partial: Path, have: int, whole: int | None) -> int:
    """Append the rest of a file to its first ``have`` bytes; returns how many there are then."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with partial.open("ab" if have else "wb") as file, Progress(*columns) as progress:
        task = progress.add_task(partial.stem, total=whole, completed=have)
        while chunk := answer.read1(CHUNK_BYTES):
            file.write(chunk)
            have += len(chunk)
            progress.update(task, completed=have)
    return have

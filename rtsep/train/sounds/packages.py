"""Debian's packages, fetched by name and unpacked without installing them: what sounds, and the licence."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import track

from rtsep.errors import ConfigError
from rtsep.train.table import SUFFIXES

AT_ONCE = 4
USEFUL = SUFFIXES | {".sf2", ".sf3", ".zip"}


def fetch_packages(names: Sequence[str], folder: Path) -> list[Path]:
    """Unpack the sounds of packages into ``folder``, each into a folder of its own name; what is there stays.

    Raises:
        ConfigError: this is no Debian, there is no such package, or it cannot be fetched.
    """
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise ConfigError(
                f"there is no {program} here: sounds come from Debian's packages, so run this on Debian"
            )
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as executor:
        found = executor.map(lambda name: _fetch(name, folder), names)
        return list(track(found, "fetching packages", total=len(names), transient=True))


def licences_of(package: Path) -> str:
    """The short names of all licences in a package's copyright file, where it is written to be read so."""
    found: dict[str, None] = {}
    for path in sorted(package.glob("usr/share/doc/*/copyright")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == "License" and value.strip():
                found[value.strip().rstrip(",")] = None
    return " / ".join(found) or "see Debian's copyright file"


def audio_in(package: Path) -> list[Path]:
    """Audio files of an unpacked package, sorted by path."""
    files = (path for path in package.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in files if path.is_file() and not path.is_symlink())


def _fetch(name: str, folder: Path) -> Path:
    whole = folder / name
    if whole.is_dir():
        return whole
    with TemporaryDirectory(dir=folder) as temporary:
        _run(["apt-get", "download", name], Path(temporary))
        archives = list(Path(temporary).glob("*.deb"))
        if len(archives) != 1:
            raise ConfigError(f"apt-get download {name} brought {len(archives)} packages instead of one")
        contents = Path(temporary, "contents")
        contents.mkdir()
        _unpack(archives[0], contents)
        contents.rename(whole)
    return whole


def _unpack(archive: Path, into: Path) -> None:
    """Unpack what is of use: of a game of a gigabyte that is a tenth."""
    with (
        subprocess.Popen(["dpkg", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as contents,
    ):
        for member in contents:
            name = Path(member.name)
            if member.isfile() and (name.suffix.lower() in USEFUL or name.name == "copyright"):
                contents.extract(member, into, filter="data")
        process.communicate()  # the padding at the end: dpkg must not find its pipe closed
    if process.returncode:
        raise ConfigError(f"dpkg cannot unpack {archive.name}")
    for inner in sorted(into.rglob("*.zip")):
        _unzip(inner)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said: Iterable[str] = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise ConfigError(f"{' '.join(command)}: {next(iter(said), done.stderr.strip()[-200:])}")


def _unzip(archive: Path) -> None:
    """The sounds of a zip archive instead of the archive."""
    into = archive.with_name(archive.name + ".contents")
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if Path(name).suffix.lower() in SUFFIXES:
                opened.extract(name, into)  # leaves out ".." and leading slashes
    archive.unlink()

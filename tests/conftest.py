"""Fixtures that several test modules share."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import builders
import jack_server
import pytest

import rtsep.models.text
from rtsep.models.prompts import FilmCache


@pytest.fixture(scope="session")
def jack_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of clients of a JACK server, 48 kHz, period 256, which runs for the session."""
    if shutil.which("jackd") is None:
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail("jackd is missing: in CI the device tests must run (apt-get install jackd2)")
        pytest.skip("jackd is missing (apt-get install jackd2)")
    with jack_server.server(tmp_path_factory.mktemp("jack")) as environment:
        yield environment


@pytest.fixture(scope="session")
def zam_plugins() -> Path:
    """The folder of Debian's VST3 plugins of that name."""
    folder = Path("/usr/lib/vst3")
    if not (folder / "ZaMaximX2.vst3").exists():
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail(
                "zam-plugins is missing: in CI a real VST3 must be tried (apt-get install zam-plugins)"
            )
        pytest.skip("zam-plugins is missing (apt-get install zam-plugins)")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folders: ``bundle``, which lets everything through, and a cache that knows "dog barking".

    For this process and those it starts, which need no text encoder for that prompt.
    """
    folder = tmp_path_factory.mktemp("home")
    bundle = builders.tiny_bundle(folder / "bundle", builders.transparent_separator(builders.LIVE_CODEC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setitem(rtsep.models.text.TEXT_ENCODERS, "bag-of-words", builders.BagOfWords)
        FilmCache(bundle)("dog barking")
        yield folder


@pytest.fixture
def bag_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text encoder that needs no model, for bundles of ``builders``."""
    monkeypatch.setitem(rtsep.models.text.TEXT_ENCODERS, "bag-of-words", builders.BagOfWords)

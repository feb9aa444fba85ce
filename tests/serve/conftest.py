"""What the tests of codes share: a tiny bundle whose prompts need no text encoder."""

from __future__ import annotations

import builders
import pytest
from safetensors.torch import save_file

from rtsep.models.bundle import FILMS, Bundle, load_bundle

WORDS = ("speech", "rain", "dog barking", "music")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with random weights, two codebooks of 16, that knows ``WORDS``."""
    folder = tmp_path_factory.mktemp("codes") / "tiny"
    bundle = builders.tiny_bundle(folder)
    films = builders.random_films(bundle.separator, len(WORDS))
    save_file({word: film.clone() for word, film in zip(WORDS, films, strict=True)}, folder / FILMS)
    return load_bundle(str(folder))


@pytest.fixture(scope="session")
def shipped() -> Bundle:
    """The default bundle."""
    return load_bundle()

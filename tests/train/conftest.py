"""The data set that the tests of training share."""

from pathlib import Path

import pytest
from builders import BagOfWords
from train_builders import RATE, write_clips

from rtsep.models.text import TEXT_ENCODERS
from rtsep.train.pool import Pool, open_pool


@pytest.fixture(autouse=True)
def _bag_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXT_ENCODERS, "bag-of-words", BagOfWords)


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of clips, to be left as it is."""
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def pool(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The same, decoded."""
    return open_pool(table, tmp_path_factory.mktemp("cache"), RATE)

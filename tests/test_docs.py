"""Every code block in README and docs: Python is run, commands are parsed for real, the rest is read."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest
import soundfile
import torch
from docs_blocks import PAGES, Block, blocks, check, spans
from docs_commands import check_shell, check_span, commands

import rtsep.live.card
import rtsep.live.engine
from rtsep.audio.fake import FakeDevice
from rtsep.cli import main
from rtsep.config import RunSettings
from rtsep.control import Console
from rtsep.live.session import Session
from rtsep.separators.registry import open_separator

BLOCKS = list(blocks())
PYTHON = defaultdict(list)
for each in BLOCKS:
    if each.language == "python":
        PYTHON[each.page].append(each)


class Driven(FakeDevice):
    """A sound card that calls back when it is asked for sound."""

    def wait(self, timeout_s: float) -> bool:
        self.tick()
        return super().wait(0)


@pytest.fixture
def sound_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def opened(*_: object, channels_in: int = 1, **__: object) -> FakeDevice:
        return Driven(np.zeros((48_000, channels_in), np.float32), 48_000, 480)

    def played(settings: RunSettings, console: Console, separator: str) -> Session:
        return Session(settings, console, open_separator(separator, torch.device("cpu")))

    monkeypatch.setattr(rtsep.live.engine, "SessionProcess", played)  # a real one has a real sound card
    monkeypatch.setattr(rtsep.live.card, "open_device", opened)
    monkeypatch.setattr(rtsep.live.card, "find_devices", lambda *texts: (None, None))
    monkeypatch.setattr(rtsep.Engine, "wait", lambda self, seconds: None)
    yield


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language != "python"], ids=str)
def test_a_block_has_not_rotten(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check(block)


@pytest.mark.parametrize("page", sorted(PYTHON), ids=lambda page: page.name)
@pytest.mark.usefixtures("sound_card")
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for block in PYTHON[page]:
        text = "\n" * block.line + block.text  # so that a traceback has the page's line numbers
        exec(compile(text, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_flags_in_sentences_have_not_rotten(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line, text in spans(page):
        try:
            check_span(text)
        except Exception as error:
            pytest.fail(f"{page.name}:{line}: `{text}`: {error}")


def runs_on_files() -> Iterator[tuple[str, ...]]:
    """Lines of the documentation that take a file to a file, without what only a person has."""
    for block in BLOCKS:
        if block.language in ("shell", "sh", "bash"):
            for line in block.text.replace("\\\n", " ").splitlines():
                for words in commands(line):
                    if Path(words[0]).name == "rtsep" and words[1] == "run" and "in.wav" in words:
                        yield tuple(words[1:])


@pytest.mark.parametrize("words", sorted(set(runs_on_files())), ids=shlex.join)
def test_what_takes_a_file_to_a_file_runs(
    words: tuple[str, ...], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", builders.noise(4800), 48_000)
    with pytest.raises(SystemExit) as ended:
        main([*words, "--bundle", str(home / "bundle")])
    assert not ended.value.code
    assert Path("out.wav").is_file()


def test_there_is_something_to_test() -> None:
    kinds = {block.language for block in BLOCKS}
    assert {"python", "shell", "toml", "text"} <= kinds
    assert len(BLOCKS) > 20
    assert len(PAGES) > 10


@pytest.mark.parametrize(
    "line",
    [
        "rtsep run --promt speech",
        "rtsep runs",
        "rtsep bench --block many",
        "cat x | rtsep run -i - --no-such-flag && true",
        "make nothing",
        "pip install 'rtsep[nothing]'",
        "apt-get install nothing-at-all",
        "python -m rtsep.nothing",
        "python benchmarks/nothing.py",
        "python benchmarks/instances.py --bees 3",
        "oscsend 127.0.0.1 7770 /rtsep/nothing i 1",
        "oscsend 127.0.0.1 7770 /rtsep/gain f 100",
        "oscsend 127.0.0.1 7770 /rtsep/prompt/1/text i 3",
        "rtsep run --preset nothing -p speech",
        "rtsep run -p speech --set nothing=3",
        "rtsep run -p speech --set gain=300",
        "rtsep train nothing --data d --out o",
        "rtsep bundles pull nothing",
        "nothing --at all",
    ],
)
def test_a_line_that_has_rotten_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r".") as found:
        check_shell(line)
    assert not isinstance(found.value, AttributeError | TypeError | NameError)


@pytest.mark.parametrize(
    "text", ["--no-such-flag", "rtsep run --promt", "rtsep nothing", "make nothing", "rtsep bench --sessions"]
)
def test_a_word_in_a_sentence_that_has_rotten_is_found(text: str) -> None:
    with pytest.raises(Exception, match=r".") as found:
        check_span(text)
    assert not isinstance(found.value, AttributeError | TypeError | NameError)

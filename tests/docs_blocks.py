"""Code blocks of the documentation, and what makes each rot: used by test_docs.py."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from markdown_it import MarkdownIt

from rtsep.cli import app
from rtsep.osc.address import ACTIONS, FADER_AT, PARAMETER_AT, SHORT
from rtsep.osc.readings import READINGS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"))
    if not {".venv", "node_modules"} & set(path.parts)
)

FOREIGN = {
    "cat", "chrt", "cp", "eval", "ffmpeg", "git", "jack_connect", "jack_lsp", "jackd", "mkdir", "mv",
    "nvidia-smi", "pactl", "parec", "paplay", "printf", "pw-jack", "pw-link", "sed", "tail", "torchrun",
}  # fmt: skip
"""Programs of others, which are neither here everywhere nor ours to test."""

WORDS = {"for", "do", "done", "export", "exit", "then", "fi", "if", "else"}
PLACEHOLDERS = {"N": "1000"}
PACKAGES = {
    "jack-example-tools",
    "pipewire",
    "pipewire-bin",
    "pipewire-pulse",
    "pipewire-jack",
    "wireplumber",
}
"""Debian packages beside those of ``.ci/run``."""


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks() -> Iterator[Block]:
    """Every code block, fenced or indented; an indented one says by its looks what it is."""
    for page in PAGES:
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
            if token.type in ("fence", "code_block") and token.map is not None:
                language = token.info.split()[0] if token.info.strip() else language_of(token.content)
                yield Block(page, token.map[0] + 1, language, token.content)


def language_of(text: str) -> str:
    """Drawings have lines or floors in them, TOML has keys; everything else is for a shell."""
    if re.search(r"[─│┌├└▶→]", text) or re.match(r"\d  \w", text):
        return "text"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return "shell"
    return "toml"


def check(block: Block) -> None:
    """Raise where a block that is not Python has rotten; Python is run by the test itself."""
    checks: dict[str, Callable[[str], object]] = {
        "text": str,
        "toml": tomllib.loads,
        "json": json.loads,
        "shell": check_shell,
        "sh": check_shell,
        "bash": check_shell,
    }
    assert block.language in checks, f"{block}: no rule for a block in {block.language!r}"
    checks[block.language](block.text)


def check_shell(text: str) -> None:
    """Every command of every line, by the program that it calls."""
    for line in text.replace("\\\n", " ").splitlines():
        for words in commands(line):
            check_command(words)


def commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, between pipes and the like, without redirections and assignments."""
    line = re.sub(r"\d>&\d", "", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters, words, skip = "#", [], False
    lexer.wordchars += "$*?~:@%,+^!{}[]\\"
    for token in [*lexer, ";"]:
        if set(token) <= set("|&;()"):
            if words:
                yield words
            words = []
        elif set(token) <= set("<>&0123456789") and set(token) & set("<>"):
            skip = True
        elif skip:
            skip = False
        elif words or not (re.match(r"\w+=", token) or token in WORDS):
            words.append(token)


def check_command(words: list[str]) -> None:
    """Fail where a command of ours does not exist, or does not take what it is given."""
    program, *arguments = words
    name = Path(program).name
    arguments = [PLACEHOLDERS.get(each, each) for each in arguments]
    if name in FOREIGN and name != "pw-jack":
        return
    rules: dict[str, Callable[[list[str]], None]] = {
        "rtsep": parse_rtsep,
        "pw-jack": check_command,
        "make": _make,
        "pip": _pip,
        "apt-get": _apt,
        "python": _python,
        "python3": _python,
        "oscsend": _osc,
        "n": lambda _: None,  # the name of a loop
    }
    assert name in rules, f"no rule for {name!r}: add one, or name it in FOREIGN"
    rules[name](arguments)


def parse_rtsep(arguments: list[str]) -> None:
    """Through the command line's own parser, which opens and writes nothing but the file of a report."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("rtsep", list(arguments))
    while hasattr(command, "resolve_command"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            return
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def _make(arguments: list[str]) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in arguments:
        assert target in targets, f"make has no target {target!r}"


def _pip(arguments: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert arguments[0] in ("install", "download")
    for argument in arguments[1:]:
        if found := re.fullmatch(r"(?:\.|rtsep)\[([\w,]+)\]", argument):
            for extra in found[1].split(","):
                assert extra in project["optional-dependencies"], f"no extra {extra!r}"


def _apt(arguments: list[str]) -> None:
    known = {*re.findall(r"[\w.-]+", (ROOT / ".ci" / "run").read_text(encoding="utf-8")), *PACKAGES}
    for argument in arguments[1:]:
        assert argument.startswith("-") or argument in known, f"{argument!r} is not what CI installs"


def _python(arguments: list[str]) -> None:
    first, *rest = arguments
    if first == "-c":
        compile(rest[0], "a block", "exec")
        if "rtsep.cli" in rest[0]:
            parse_rtsep(rest[1:])
    elif first == "-m":
        module, *rest = rest
        if module in ("pip", "pytest"):
            return _pip(rest) if module == "pip" else None
        path = ROOT / Path(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"no module {module}"
    else:
        _script(first, rest)
    return None


def _script(name: str, arguments: list[str]) -> None:
    """A program of ours exists, and knows the flags that it is given."""
    found = [path for path in (ROOT / name, ROOT / "docs" / "daw" / name) if path.is_file()]
    assert found, f"no program {name}"
    source = found[0].read_text(encoding="utf-8")
    for argument in arguments:
        flag = argument.partition("=")[0]
        assert not flag.startswith("--") or f'"{flag}"' in source, f"{name} knows no {flag}"


def _osc(arguments: list[str]) -> None:
    _, port, address, *_ = arguments
    assert port.isdecimal()
    known = {*PARAMETER_AT, *ACTIONS, *READINGS, *SHORT, *FADER_AT}
    assert address in known or "*" in address or "subscribe" in address, f"no address {address}"

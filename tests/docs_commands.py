"""What makes a command in the documentation rot: used by docs_blocks.py and test_docs.py."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer

from rtsep.cli import app
from rtsep.control import Console
from rtsep.models.published import PUBLISHED
from rtsep.osc.address import ACTIONS, SHORT, setting
from rtsep.osc.readings import READINGS

ROOT = Path(__file__).parents[1]

FOREIGN = {
    "cat", "chrt", "cp", "eval", "ffmpeg", "git", "jack_connect", "jack_lsp", "jackd", "kill", "mkdir", "mv",
    "nvidia-smi", "pactl", "parec", "paplay", "printf", "pw-jack", "pw-link", "sed", "tail", "torchrun",
}  # fmt: skip
"""Programs of others, which are neither here everywhere nor ours to test."""

WORDS = {"for", "do", "done", "export", "exit", "then", "fi", "if", "else"}
PLACEHOLDERS = {"N": "1000"}
SPOKEN = {"make", "oscsend", "pip", "python", "pw-jack", "apt-get"}
"""Programs whose commands are looked for in sentences too."""

PACKAGES = {
    "jack-example-tools",
    "pipewire",
    "pipewire-bin",
    "pipewire-pulse",
    "pipewire-jack",
    "wireplumber",
}
"""Debian packages beside those of ``.ci/run``."""


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
    """Through the command line's own parser, which opens and writes nothing but the file of a report.

    What parses may still name what is not there: a run's settings are made, recipes and weights looked up.
    """
    name, command, rest, above = _chosen(arguments)
    if rest is None:
        return
    context = command.make_context(name, rest, parent=above)
    match command.name:
        case "run":
            with patch("rtsep.session.run_session") as run_session:
                command.invoke(context)
            run_session.assert_called_once()
        case "train" | "pack":
            _recipe(context.params["recipe"])
        case "pull":
            assert context.params["name"] in PUBLISHED, f"nothing is published as {context.params['name']}"


@cache
def _rtsep() -> Any:
    return typer.main.get_command(app)


def _chosen(arguments: list[str]) -> tuple[str, Any, list[str] | None, Any]:
    """The command that a line calls, by name, what is left for it, None if nothing is, and the context."""
    name, command = "rtsep", _rtsep()
    context = command.make_context(name, list(arguments))
    while True:
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            return name, command, None, context
        name, command, rest = command.resolve_command(context, rest)
        if not hasattr(command, "resolve_command"):
            return name, command, rest, context
        context = command.make_context(name, rest, parent=context)


def _named(words: list[str]) -> Any:
    """The command that a sentence names."""
    command = _rtsep()
    for word in words:
        if not hasattr(command, "commands"):
            break  # what comes now is the command's own
        assert word in command.commands, f"no command {word}"
        command = command.commands[word]
    return command


def options_of(command: Any) -> set[str]:
    """The flags of a command and of those below it."""
    own = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
    return own.union(*(options_of(each) for each in getattr(command, "commands", {}).values()))


def _recipe(name: str) -> None:
    there = (ROOT / "rtsep/train/recipes" / f"{name}.toml").is_file()
    assert there or name.endswith(".toml"), f"no recipe {name}"


def check_span(text: str) -> None:
    """A command or flags in the middle of a sentence, which may leave out what the command needs."""
    words = text.split()
    if words[0].startswith("--"):
        known = _flags()
    elif words[0] == "rtsep" and words[1:]:
        known = options_of(_named(list(takewhile(lambda each: each[0] != "-", words[1:]))))
    elif words[0] in SPOKEN and len(words) > 1:
        check_shell(text)
        return
    else:
        return
    for flag in re.findall(r"--[a-z][\w-]*", text):
        assert flag in known, f"no flag {flag} in {text!r}"


@cache
def _flags() -> set[str]:
    """Those of rtsep's commands, and of what is not called rtsep."""
    folders = (ROOT / "benchmarks", ROOT / "docs", ROOT / "gui")
    sources = (each.read_text(encoding="utf-8") for folder in folders for each in folder.rglob("*.py"))
    programs = {flag for source in sources for flag in re.findall(r'"(--[a-z-]+)"', source)}
    return options_of(_rtsep()) | programs


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
    """A message that oscsend would send is one that the server would obey."""
    _, port, address, *rest = arguments
    if port == "3819":  # Ardour's
        return
    assert port.isdecimal()
    tags, words = (rest[0], rest[1:]) if rest else ("", [])
    kinds: dict[str, Callable[[], object]] = {
        "i": lambda: int(words.pop(0)),
        "f": lambda: float(words.pop(0)),
        "s": lambda: words.pop(0),
        "T": lambda: True,
        "F": lambda: False,
    }
    values = tuple(kinds[tag]() for tag in tags)
    assert not words, f"{words} have no type"
    address = SHORT.get(address, address).replace("*", "1")
    if address in ACTIONS and values:
        ACTIONS[address].order(address, values)
    elif values and "subscribe" not in address:
        assert setting(address, values, Console()) is not None, f"no address {address}"
    else:
        assert address in READINGS or "subscribe" in address or address in ACTIONS, f"no address {address}"

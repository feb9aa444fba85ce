"""Code blocks and commands of the documentation: used by test_docs.py."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from docs_commands import ROOT, check_shell
from markdown_it import MarkdownIt

PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md"))
    if not {".venv", "node_modules"} & set(path.parts)
)


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


def spans(page: Path) -> Iterator[tuple[int, str]]:
    """Code within the sentences and tables of a page, with the line where its paragraph begins."""
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or ():
            if child.type == "code_inline":
                yield (token.map or [0])[0] + 1, child.content


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

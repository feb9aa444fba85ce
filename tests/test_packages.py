"""An installation that is no link to this folder has every package."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_folder_of_the_product_is_installed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]) - {
        "rtsep.shipped_presets"
    }
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("rtsep", "gui")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert listed == there

"""The matrix for a public forge says what the Makefile, pyproject.toml and this project's own CI say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]["test"]
    return found


def said(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_every_supported_python_is_tried_on_every_system(job: dict[str, Any]) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", wanted["requires-python"]).groups()
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(low), int(below))]
    assert [each.partition("-")[0] for each in matrix["os"]] == ["ubuntu", "macos", "windows"]


def test_the_system_packages_are_those_of_the_own_ci(job: dict[str, Any]) -> None:
    own = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    packages = re.search(r"packages=\((.*?)\)", own, re.DOTALL).group(1).split()
    assert " ".join(packages) in " ".join(said(job).replace("\\", " ").split())


def test_what_is_run_are_targets_of_the_makefile(job: dict[str, Any]) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    asked = re.findall(r"make (\w+)", said(job))
    assert set(asked) == {"lint", "test"} <= set(targets)

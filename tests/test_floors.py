"""The house of docs/architecture.md: imports only go down, and what is heavy loads late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"errors", "control", "config", "presets", "latency", "allocator", "garbage", "priority"},
    {"audio", "nn", "remote", "osc", "midi", "desk", "compute", "effects"},
    {"models", "separators"},
    {"pipeline", "lanes", "timing", "tracks", "recorder", "worker", "load", "blueprint"},
    {"engine", "failsafe", "render", "conformance", "train", "evaluate", "serve"},
    {
        *("batch", "display", "ends", "framewise", "live", "runs", "session", "surfaces"),
        *("cli", "__main__"),
    },
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {"torch", "numpy", "soundfile", "sounddevice"}
FORBIDDEN = {
    "audio": {"torch", "nn", "osc", "desk"},
    "nn": {"numpy", "audio", "soundfile", "sounddevice", "osc", "desk"},
    "remote": HEAVY | {"audio", "nn", "osc", "midi", "desk", "effects"},
    "osc": HEAVY | {"audio", "nn", "midi", "effects"},
    "midi": HEAVY | {"audio", "nn", "osc", "desk", "effects"},
    "desk": HEAVY | {"audio", "nn", "osc", "midi", "effects"},
    "effects": {"torch", "soundfile", "sounddevice", "audio", "nn", "osc", "midi", "desk"},
}
CONTROL = ("parameters", "inserts", "bindings", "console", "commands", "status", "touch")
"""The rooms of ``rtsep/control``, the lowest first."""
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "rtsep").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Rooms of rtsep, and packages from elsewhere, that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: imports are absolute"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            parts = module.split(".")
            names.add(parts[1] if parts[0] == "rtsep" and len(parts) > 1 else parts[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_only_go_down_the_floors(path: Path) -> None:
    room = path.parts[1].removesuffix(".py")
    if room == "__init__":
        return  # what it offers loads when it is first used, see below
    found = imported(path)
    assert not {name for name in found if FLOOR_OF.get(name, 0) > FLOOR_OF[room]}
    assert not found & FORBIDDEN.get(room, set())
    if FLOOR_OF[room] == 0:
        assert found <= {*sys.stdlib_module_names, *FLOORS[0], "pydantic", "platformdirs", "tomli_w"}


@pytest.mark.parametrize("room", CONTROL)
def test_the_vocabulary_is_made_from_the_parameters_up(room: str) -> None:
    tree = ast.parse((ROOT / "rtsep" / "control" / f"{room}.py").read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found = {module.removeprefix("rtsep.control.") for module in modules if module.startswith("rtsep.")}
    assert found <= {"rtsep.errors", "rtsep.latency", *CONTROL[: CONTROL.index(room)]}


@pytest.mark.parametrize("path", sorted((ROOT / "gui").rglob("*.py")) or [ROOT / "rtsep/errors.py"], ids=str)
def test_the_panel_never_imports_torch(path: Path) -> None:
    assert "torch" not in imported(path)


@pytest.mark.parametrize("module", ["rtsep", "rtsep.cli"])
def test_importing_the_package_loads_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'numpy', 'sounddevice', 'rtmixer', 'transformers'}"
    script = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["rtsep.session", "rtsep.live.card"])
def test_the_sound_card_opens_before_torch_loads(module: str) -> None:
    script = f"import sys, {module}; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"

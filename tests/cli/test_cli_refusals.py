"""What ``rtsep run`` cannot do is one line, exit code 2, and nothing lost."""

from pathlib import Path

import builders
import numpy as np
import pytest
import torch
from cli_runs import PROMPT, Run, read, write
from safetensors.torch import load_file, save_file

ODD = {
    "no prompt": ((), "name a sound", ("run",)),
    "empty prompt": ((), "prompt is empty", ("run", "--prompt", " ")),
    "endless prompt": (
        (),
        "prompt/1/text has 10000 characters",
        ("run", "--prompt", "x" * 10_000),
    ),
    "nine prompts": ((), "9 prompts, at most 8", ("run", *["--prompt", "x"] * 9)),
    "missing file": (("--input", "none.wav"), "no such audio file: none.wav", PROMPT),
    "unknown format": (("--output", "out.raw"), "unknown format of out.raw: end it in .wav", PROMPT),
    "no audio": (("--input", __file__), "cannot read", PROMPT),
    "no such folder": (("--output", "nowhere/out.wav"), "cannot write", PROMPT),
    "unknown bundle": (("--bundle", "nope"), "no bundle 'nope'", PROMPT),
    "unknown compute": (("--compute", "abacus"), "--compute is 'abacus': input should be 'auto'", PROMPT),
    "unknown preset": (("--preset", "nope"), "no preset 'nope': have birdsong, ", PROMPT),
    "three channels": (("--channels", "3"), "--channels is 3: input should be 1 or 2", PROMPT),
    "channels in words": (("--channels", "two"), "'--channels'", PROMPT),
    "too wet": (("--wet", "2"), "--wet: wet is 2, but must be from 0 to 1", PROMPT),
    "too loud": (("--gain", "25"), "--gain: gain is 25, but must be from -60 to 24 dB", PROMPT),
    "gain nan": (("--gain", "nan"), "--gain: gain is nan, but must be from -60", PROMPT),
    "negative block": (("--block", "-1"), "--block is -1", PROMPT),
    "huge block": (("--block", "8193"), "--block is 8193", PROMPT),
    "no time": (("--duration", "0"), "--duration is 0.0", PROMPT),
    "for ever": (("--duration", "inf"), "--duration is inf", PROMPT),
    "odd rate": (("--device-rate", "1"), "--device-rate is 1", PROMPT),
    "report nowhere": (("--json", "nowhere/report.json"), "cannot write nowhere/report.json", PROMPT),
    "endless report": (("--json", "x" * 300), "(File name too long)", PROMPT),
    "endless output": (("--output", "x" * 300), "no output device", PROMPT),
    "report a folder": (("--json", "."), "cannot write .", PROMPT),
    "unknown parameter": (("--set", "loudness=3"), "--set 'loudness=3': give NAME=VALUE", PROMPT),
    "parameter in words": (("--set", "wet=much"), "--set 'wet=much': 'much' is no number", PROMPT),
    "strip too loud": (("--set", "prompt/1/gain=25"), "--set: prompt/1/gain is 25, but must be", PROMPT),
    "ninth strip": (("--set", "prompt/9/text=x"), "--set 'prompt/9/text=x': give NAME=VALUE", PROMPT),
    "every strip off": (("--set", "prompt/1/enable=0"), "name a sound", PROMPT),
    "folder without stems": (("--output", "."), "is a folder: name a file in it, or ask for --stems", PROMPT),
    "endless strip": (("--set", f"prompt/2/text={'x' * 301}"), "prompt/2/text has 301 characters", PROMPT),
    "raw file": (("--raw",), "--raw is for --output -", PROMPT),
    "unknown flag": (("--loudness", "3"), "--loudness", PROMPT),
    "unknown command": ((), "No such command 'separate'", ("separate",)),
}


@pytest.mark.parametrize("case", ODD)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    tmp_path: Path, rtsep: Run, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in.wav", builders.noise(480))
    arguments, said, prompt = ODD[case]
    ended = rtsep("-i", "in.wav", "-o", "out.wav", *arguments, prompt=prompt)
    assert ended.code == 2
    assert said in ended.said
    assert ended.said.startswith("rtsep: ")
    assert ended.said.count("\n") == 1
    assert not (tmp_path / "report.json").exists()


def test_a_file_of_too_low_a_rate_is_refused_and_nothing_is_written(tmp_path: Path, rtsep: Run) -> None:
    source = write(tmp_path / "in.wav", builders.noise(900), 300)
    ended = rtsep("--input", source, "--output", tmp_path / "out.wav")
    assert ended.code == 2 and "a sample rate of 300 Hz" in ended.said
    assert not (tmp_path / "out.wav").exists()


def test_an_empty_file_is_refused(tmp_path: Path, rtsep: Run) -> None:
    source = write(tmp_path / "in.wav", builders.noise(0))
    assert rtsep("-i", source, "-o", tmp_path / "out.wav") == (
        2,
        f"rtsep: {source} holds no samples: choose another file\n",
    )


@pytest.mark.parametrize(
    "flags", [["--osc"], ["--osc-port", "0"], ["--midi", "x"], ["--name", "x", "--connect"]]
)
def test_what_needs_devices_at_both_ends_is_refused_for_a_file(
    tmp_path: Path, rtsep: Run, flags: list[str]
) -> None:
    source = write(tmp_path / "in.wav", builders.noise(480))
    code, said = rtsep("-i", source, "-o", tmp_path / "out.wav", *flags)
    assert (code, said.count("\n")) == (2, 1)
    assert "are for devices at both ends" in said
    assert not (tmp_path / "out.wav").exists()


def test_input_and_output_must_not_be_the_same_file(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(480)
    source = write(tmp_path / "in.wav", samples)
    (tmp_path / "link.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(source)
    for output in (source, tmp_path / "link.wav", tmp_path / "hard.wav", tmp_path / "." / "in.wav"):
        code, said = rtsep("-i", source, "-o", output)
        assert (code, said.count("\n")) == (2, 1)
        assert "--input and --output are the same file" in said
    assert "--input and --json are the same" in rtsep("-i", source, "-o", "-", "--json", source).said
    assert np.array_equal(read(source), samples)


def test_damaged_weights_are_named(tmp_path: Path, home: Path, rtsep: Run) -> None:
    folder = builders.write_bundle(tmp_path / "bundle")
    weights = folder / "weights.safetensors"
    tensors = load_file(weights)
    name = sorted(tensors)[0]
    save_file({**tensors, name: torch.zeros(1, 2, 3)}, weights)
    ended = rtsep("--bundle", folder)
    assert ended.code == 2
    assert f"tensor {name} has shape (1, 2, 3), the configuration asks for" in ended.said
    weights.write_bytes(weights.read_bytes()[:1000])
    ended = rtsep("--bundle", folder)
    assert (ended.code, ended.said.count("\n")) == (2, 1)
    assert f"cannot read {weights}" in ended.said


def test_a_full_disk_is_told_and_leaves_a_valid_file(tmp_path: Path, rtsep: Run) -> None:
    source = write(tmp_path / "in.wav", builders.noise(480_000))
    with builders.full_disk(500_000):
        code, said = rtsep("-i", source, "-o", tmp_path / "out.wav")
    assert (code, said.count("\n")) == (2, 1)
    assert "cannot go on writing" in said
    heard = read(tmp_path / "out.wav")
    assert 100_000 < len(heard) < 480_000
    assert np.abs(heard - read(source)[: len(heard)]).max() < 0.02

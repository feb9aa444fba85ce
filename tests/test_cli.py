"""The command line as a user meets it; in this process, but where signals and pipes matter."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import builders
import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from rtsep.audio import wav
from rtsep.cli import main
from rtsep.config import run_settings
from rtsep.presets import Presets

PROMPT = ("run", "--prompt", "dog barking")


class Ended(NamedTuple):
    code: int
    said: str


Run = Callable[..., Ended]


@pytest.fixture
def rtsep(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line that begins with ``run --prompt``; returns exit code and stderr."""

    def run(*arguments: object, prompt: tuple[str, ...] = PROMPT) -> Ended:
        line = [*prompt, "--bundle", home / "bundle", *arguments]
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in line])
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, capsys.readouterr().err)

    return run


def command(home: Path, *arguments: object) -> list[str]:
    start = [sys.executable, "-c", "from rtsep.cli import main; main()", *PROMPT, "--bundle", home / "bundle"]
    return [str(word) for word in (*start, *arguments)]


def write(path: Path, samples: NDArray[np.float32], rate: int = 48_000, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def read(path: Path) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return samples


@pytest.mark.parametrize(
    ("rate", "channels", "length"),
    [(48_000, 1, 60_001), (44_100, 2, 51_234), (96_000, 2, 100_003), (24_000, 1, 7), (11_025, 6, 20_000)],
)
def test_a_file_comes_out_aligned_and_of_the_same_shape(
    tmp_path: Path, rtsep: Run, rate: int, channels: int, length: int
) -> None:
    samples = builders.noise(length, channels)
    source = write(tmp_path / "in.wav", samples, rate)
    assert rtsep("-i", source, "-o", tmp_path / "out.wav").code == 0
    assert soundfile.info(tmp_path / "out.wav").samplerate == rate
    heard = read(tmp_path / "out.wav")
    assert heard.shape == samples.shape
    # The bundle lets everything through, in half precision; a shift by one sample would differ by 0.5.
    assert np.abs(heard - samples).max() < 0.02


def test_the_report_says_what_was_done(tmp_path: Path, rtsep: Run) -> None:
    source = write(tmp_path / "in.wav", builders.noise(48_000))
    ended = rtsep("-i", source, "-o", tmp_path / "out.flac", "--json", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"latency_ms", "seconds", "hops", "dropouts", "rtf", "prompt"} <= report.keys()
    assert (report["seconds"], report["dropouts"], report["prompt"]) == (1.0, 0, "dog barking")
    assert ended.said.startswith("1.0 s, 0 dropouts, latency ")
    assert ended.said.count("\n") == 1


@pytest.mark.parametrize(("have", "want"), [(2, 1), (1, 2), (6, 2)])
def test_channels_are_mixed_down_or_spread(tmp_path: Path, rtsep: Run, have: int, want: int) -> None:
    samples = builders.noise(24_000, have)
    source = write(tmp_path / "in.wav", samples)
    assert rtsep("-i", source, "-o", tmp_path / "out.wav", "--channels", want).code == 0
    heard = read(tmp_path / "out.wav")
    assert heard.shape == (24_000, want)
    assert np.abs(heard - samples.mean(axis=1, keepdims=True)).max() < 0.02


def test_a_duration_cuts_to_the_sample_and_a_longer_one_does_nothing(tmp_path: Path, rtsep: Run) -> None:
    source = write(tmp_path / "in.wav", builders.noise(60_000))
    for duration, length in ((0.1, 4_800), (1.0, 48_000), (99, 60_000)):
        assert rtsep("-i", source, "-o", tmp_path / "out.wav", "--duration", duration).code == 0
        assert len(read(tmp_path / "out.wav")) == length


def test_dry_and_gain_reach_the_sound(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(24_000)
    source = write(tmp_path / "in.wav", samples)
    rtsep("-i", source, "-o", tmp_path / "dry.wav", "--wet", 0)
    assert np.abs(read(tmp_path / "dry.wav") - samples)[4800:].max() < 1e-6
    rtsep("-i", source, "-o", tmp_path / "half.wav", "--gain", -6)
    heard = read(tmp_path / "half.wav")
    assert 20 * np.log10(heard[4800:].std() / samples[4800:].std()) == pytest.approx(-6, abs=0.1)


def test_silence_passes_and_stays_silence(tmp_path: Path, rtsep: Run) -> None:
    source = write(tmp_path / "in.wav", np.zeros((24_000, 1), np.float32))
    assert rtsep("-i", source, "-o", tmp_path / "out.wav").code == 0
    assert not read(tmp_path / "out.wav").any()


def test_nan_becomes_zero_and_is_counted(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(24_000)
    samples[1000:1010] = np.nan
    samples[2000] = np.inf
    source = write(tmp_path / "in.wav", samples)
    ended = rtsep("-i", source, "-o", tmp_path / "out.wav", "--json", tmp_path / "report.json")
    assert "11 samples were not numbers" in ended.said
    assert json.loads((tmp_path / "report.json").read_text())["bad_samples"] == 11
    assert np.isfinite(read(tmp_path / "out.wav")).all()


def test_samples_at_full_scale_are_counted_at_the_end(tmp_path: Path, rtsep: Run) -> None:
    source, report = write(tmp_path / "in.wav", builders.noise(24_000)), tmp_path / "report.json"
    ended = rtsep("-i", source, "-o", tmp_path / "out.wav", "--json", report)
    assert "full scale" not in ended.said
    assert json.loads(report.read_text())["clipped_samples"] == 0
    ended = rtsep("-i", source, "-o", tmp_path / "loud.wav", "--gain", 24, "--json", report)
    clipped = json.loads(report.read_text())["clipped_samples"]
    assert clipped > 0
    assert f"{clipped} samples of the result at full scale or above: lower --gain" in ended.said


def test_a_prompt_may_look_like_markup(tmp_path: Path, rtsep: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    source = write(tmp_path / "in.wav", builders.noise(4_800))
    ended = rtsep("-i", source, "-o", tmp_path / "out.wav", prompt=("run", "--prompt", "a [bold] dog [/b]"))
    assert ended.code == 0


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


@pytest.mark.parametrize("name", Presets().names())
def test_presets_hold_and_flags_win(name: str) -> None:
    settings, console = run_settings(name, {})
    assert str(console) != "-"
    turned_settings, turned = run_settings(name, {"reserve_ms": 99.0}, turned={"wet": 0.25})
    assert console.changes(turned) == {"wet": 0.25}
    assert turned_settings == settings.model_copy(update={"reserve_ms": 99.0})


def test_a_preset_with_an_unknown_key_names_file_key_and_what_is_allowed(tmp_path: Path, rtsep: Run) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('prompt.1.text = "rain"\nloudness = 3\n')
    code, said = rtsep("--preset", preset)
    assert (code, said.count("\n")) == (2, 1)
    assert f"{preset}: unknown key 'loudness'; known are prompt.1.text to prompt.8.negative, " in said


def test_a_preset_with_a_prompt_needs_no_other(tmp_path: Path, rtsep: Run) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('prompt.1.text = "dog barking"\ngain = -20\n[run]\nchannels = 1\n')
    samples = builders.noise(24_000, 2)
    source = write(tmp_path / "in.wav", samples)
    assert rtsep("--preset", preset, "-i", source, "-o", tmp_path / "out.wav", prompt=("run",)).code == 0
    heard = read(tmp_path / "out.wav")
    assert heard.shape == (24_000, 1)
    assert np.abs(heard - 0.1 * samples.mean(axis=1, keepdims=True))[4800:].max() < 0.01


def test_any_parameter_can_be_set_and_a_flag_has_no_say_over_it(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(24_000)
    source = write(tmp_path / "in.wav", samples)

    def heard(*words: object) -> NDArray[np.float32]:
        assert rtsep("-i", source, "-o", tmp_path / "out.wav", *words).code == 0
        return read(tmp_path / "out.wav")[4800:]

    quiet = 10 ** (-20 / 20) * samples[4800:]
    assert np.abs(heard("--set", "prompt/1/gain=-20") - quiet).max() < 0.01
    assert not heard("--set", "prompt/1/mute=1").any()
    assert np.abs(heard("--gain", -6, "--set", "gain=-20") - quiet).max() < 0.01
    both = heard("--set", "prompt/1/mute=true", "--set", "residual/mute=false", "--set", "residual/gain=-20")
    assert np.abs(both).max() < 0.01  # the bundle finds everything, so that nothing is left


def test_bypass_is_the_input_and_can_be_taken_back(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(24_000)
    source = write(tmp_path / "in.wav", samples)
    words = ("-i", source, "-o", tmp_path / "out.wav", "--set", "prompt/1/mute=1")
    assert rtsep(*words, "--bypass").code == 0
    assert np.abs(read(tmp_path / "out.wav") - samples)[4800:].max() < 1e-6
    preset = tmp_path / "bypassed.toml"
    preset.write_text("bypass = true\n")
    assert rtsep(*words, "--preset", preset).code == 0
    assert np.abs(read(tmp_path / "out.wav") - samples)[4800:].max() < 1e-6
    assert rtsep(*words, "--preset", preset, "--no-bypass").code == 0
    assert not read(tmp_path / "out.wav")[4800:].any()


STEMS = ("--stems", "--set", "prompt/3/text=dog barking", "--set", "residual/mute=0")


@pytest.mark.parametrize(("rate", "channels", "length"), [(44_100, 1, 30_001), (48_000, 2, 7)])
def test_stems_in_a_folder_are_aligned_as_long_as_the_input_and_add_up_to_it(
    tmp_path: Path, rtsep: Run, rate: int, channels: int, length: int
) -> None:
    samples = builders.noise(length, channels)
    source = write(tmp_path / "in.wav", samples, rate)
    assert rtsep("-i", source, "-o", f"{tmp_path}/stems/", *STEMS).code == 0
    names = ["1 dog barking.wav", "2.wav", "3 dog barking.wav", "everything else.wav"]
    assert sorted(path.name for path in (tmp_path / "stems").iterdir()) == names
    stems = [read(tmp_path / "stems" / name) for name in names]
    assert {stem.shape for stem in stems} == {samples.shape}
    assert np.abs(np.sum(stems, axis=0) - samples).max() < 1e-5
    assert not stems[1].any()
    # Both strips ask for the same, of which each gets half, in half precision.
    assert np.array_equal(stems[0], stems[2])
    assert np.abs(stems[0] - samples / 2).max() < 0.02


def test_stems_in_a_file_are_channels(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(20_011, 2)
    source = write(tmp_path / "in.wav", samples)
    assert rtsep("-i", source, "-o", tmp_path / "out.wav", *STEMS).code == 0
    heard = read(tmp_path / "out.wav")
    assert heard.shape == (20_011, 8)
    assert np.abs(heard.reshape(-1, 4, 2).sum(axis=1) - samples).max() < 1e-5
    assert rtsep("-i", source, "-o", tmp_path / "mix.wav", *STEMS[1:]).code == 0
    assert np.abs(read(tmp_path / "mix.wav") - samples).max() < 1e-5


def test_presets_are_listed_with_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["presets"])
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == Presets().names()
    assert "no-rain: (not) rain + (not) wind" in lines


def test_a_preset_that_is_broken_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rtsep.presets.user_config_path", lambda _: tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "a.toml").write_text("loudness = 3")
    with pytest.raises(SystemExit) as ended:
        main(["presets"])
    found = capsys.readouterr()
    assert not ended.value.code
    assert len(found.out.splitlines()) == len(Presets().names()) - 1
    assert found.err.startswith("a cannot be used: ") and found.err.count("\n") == 1


@pytest.mark.parametrize("raw_in", [False, True])
@pytest.mark.parametrize("raw_out", [False, True])
def test_pipes_carry_wav_or_raw_samples(
    home: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    raw_in: bool,
    raw_out: bool,
) -> None:
    samples = builders.noise(30_001, 2)
    data = samples.tobytes() if raw_in else wav.header(44_100, 2) + samples.tobytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    words = ["--device-rate", "44100", "--channels", "2"] if raw_in else []
    words += ["--raw"] if raw_out else []
    with pytest.raises(SystemExit) as ended:
        main(command(home, "--input", "-", "--output", "-", *words)[3:])
    assert not ended.value.code
    out = capfdbinary.readouterr().out
    if raw_out:
        heard = np.frombuffer(out, np.float32).reshape(-1, 2)
    else:
        heard, rate = soundfile.read(io.BytesIO(out), dtype="float32")
        assert rate == 44_100
    assert heard.shape == samples.shape
    assert np.abs(heard - samples).max() < 0.02


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finalises_the_file_and_prints_the_report(
    tmp_path: Path, home: Path, ending: signal.Signals
) -> None:
    words = ("--input", "-", "--output", tmp_path / "out.wav", "--json", tmp_path / "report.json")
    with subprocess.Popen(
        command(home, *words), stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        # More than a pipe holds: when all is taken, the run is under way, and waits for what never comes.
        samples = builders.noise(480_000)
        process.stdin.write(wav.header(48_000, 1))
        rest = memoryview(samples.tobytes())
        while rest:
            rest = rest[process.stdin.write(rest) :]
        process.send_signal(ending)
        said = process.stderr.read().decode()
        assert process.wait(20) == 0, said
    report = json.loads((tmp_path / "report.json").read_text())
    assert said.startswith(f"{report['seconds']:.1f} s, 0 dropouts")
    assert said.count("\n") == 1
    heard = read(tmp_path / "out.wav")
    assert len(heard) > 400_000
    assert np.abs(heard - samples[: len(heard)]).max() < 0.02


def test_a_closed_pipe_is_a_quiet_end(tmp_path: Path, home: Path) -> None:
    source = write(tmp_path / "in.wav", builders.noise(480_000))
    with subprocess.Popen(
        command(home, "--input", source, "--output", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def test_an_insert_costs_a_file_neither_length_nor_place(tmp_path: Path, rtsep: Run) -> None:
    samples = builders.noise(30_001, 2)
    source, report = write(tmp_path / "in.wav", samples), tmp_path / "report.json"
    inserts = ("--insert", "BrickwallLimiter:ceiling_db=0", "--insert", "prompt/1:Gain:gain_db=-6.0206")
    assert rtsep("-i", source, "-o", tmp_path / "out.wav", *inserts, "--json", report).code == 0
    heard = read(tmp_path / "out.wav")
    assert heard.shape == samples.shape
    assert np.abs(heard - samples / 2).max() < 0.02
    assert json.loads(report.read_text())["insert_faults"] == []


def test_an_insert_that_fails_in_a_file_is_named_and_the_file_is_whole(tmp_path: Path, rtsep: Run) -> None:
    path = tmp_path / "bad.py"
    path.write_text("class Effect:\n  def __init__(self, *_): pass\n  def process(self, block): self.no\n")
    samples = builders.noise(30_001)
    ended = rtsep("-i", write(tmp_path / "in.wav", samples), "-o", tmp_path / "out.wav", "--insert", path)
    assert ended.code == 0
    assert ended.said.startswith("insert 1 (bad on the sum) is bypassed: it raised AttributeError: ")
    assert np.abs(read(tmp_path / "out.wav") - samples).max() < 0.02


def test_an_insert_that_cannot_be_is_one_line_and_writes_nothing(tmp_path: Path, rtsep: Run) -> None:
    source, out = write(tmp_path / "in.wav", builders.noise(100)), tmp_path / "out.wav"
    for text, said in (
        ("Compresor", "insert 1: no effect 'Compresor'; there is Bitcrush, "),
        ("/no/such.vst3", "no effect /no/such.vst3: there is no such file"),
    ):
        ended = rtsep("-i", source, "-o", out, "--insert", text)
        assert ended.code == 2
        assert ended.said.startswith(f"rtsep: {said}")
        assert ended.said.count("\n") == 1
    ended = rtsep("-i", source, "-o", out, "--stems", "--insert", "Gain")
    assert ended.said.startswith("rtsep: --stems makes no sum that an insert could be on")
    assert not out.exists()

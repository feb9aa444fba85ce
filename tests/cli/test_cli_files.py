"""``rtsep run`` from file to file: aligned, as long, with all that was asked for."""

import json
from pathlib import Path

import builders
import numpy as np
import pytest
import soundfile
from cli_runs import Run, read, write
from numpy.typing import NDArray


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

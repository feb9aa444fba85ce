"""Effects: what they are called, how late they are, and what becomes of one that goes wrong."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from builders import Array, noise
from effect_builders import FORM, blocks, spec

from rtsep.control import InsertSpec
from rtsep.effects.board import builtin_names
from rtsep.effects.protocol import EffectError, Format
from rtsep.effects.rack import Rack
from rtsep.effects.stream import Stream
from rtsep.errors import ConfigError

ZAM = Path("/usr/lib/vst3")
MAXIM = ZAM / "ZaMaximX2.vst3"
"""A limiter of Debian's zam-plugins that looks 10 ms ahead and says so."""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Compressor", InsertSpec("Compressor")),
        ("Compressor:threshold_db=-18", InsertSpec("Compressor", "out", (("threshold_db", -18.0),))),
        ("in:NoiseGate", InsertSpec("NoiseGate", "in")),
        ("prompt/2:/a b/C.vst3:x=1,on=true,mode=LP 2",
         InsertSpec("/a b/C.vst3", "prompt/2", (("x", 1.0), ("on", True), ("mode", "LP 2")))),
        ("C:\\vst\\a.vst3:x=1", InsertSpec("C:\\vst\\a.vst3", "out", (("x", 1.0),))),
        ("out:C:\\vst\\a.vst3", InsertSpec("C:\\vst\\a.vst3")),
    ],
)  # fmt: skip
def test_an_insert_is_asked_for_in_a_line(text: str, wanted: InsertSpec) -> None:
    assert spec(text) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt/9:Gain", "no place 'prompt/9'; places are in, prompt/1, "),
        ("in:", "name an effect or a plugin's path, such as Compressor"),
        ("Gain:gain_db=1,2", "'2' is no NAME=VALUE"),
    ],
)
def test_a_line_that_is_no_insert_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        spec(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Compresor", "insert 1: no effect 'Compresor'; there is Bitcrush, "),
        ("Gain:gain=1", "insert 1: Gain has no parameter 'gain'; it has gain_db"),
        ("Gain:gain_db=99", "insert 1: Gain: gain_db is 99, but must be from -60 to 24 dB"),
        ("LadderFilter:mode=HPF99", "insert 1: LadderFilter cannot be made of {'mode': 'HPF99'}: "),
        ("/no/such.vst3", "no effect /no/such.vst3: there is no such file"),
        (f"{5000 * 'x'}.vst3", f"no effect {5000 * 'x'}.vst3: there is no such file"),
    ],
)
def test_an_effect_that_cannot_be_had_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rack([spec(text)], FORM)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken.vst3", r"insert 1: cannot load the plugin .*broken\.vst3: "),
        ("broken.py", r"insert 1: .*broken.py: no effect \(KeyError: 'Effect'\)"),
    ],
)
def test_what_is_no_plugin_is_named(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / name
    path.write_text("nothing = 1")
    with pytest.raises(ConfigError, match=said):
        Rack([spec(str(path))], FORM)


def test_pedalboard_is_imported_when_the_first_effect_is_asked_for_and_named_where_it_is_missing() -> None:
    script = """
    import sys
    import rtsep.errors
    from rtsep.effects.rack import Rack
    Rack()
    assert "pedalboard" not in sys.modules
    sys.modules["pedalboard"] = None
    from rtsep.control import InsertSpec
    try:
        Rack([InsertSpec("Gain")])
    except rtsep.errors.ConfigError as error:
        print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "effects need pedalboard: pip install 'rtsep[effects]'\n"


def test_the_effects_of_pedalboard_are_offered() -> None:
    names = builtin_names()
    assert {"Compressor", "Reverb", "NoiseGate", "HighpassFilter", "LadderFilter"} <= set(names)
    assert not {"VST3Plugin", "Pedalboard", "Chain"} & set(names)


@pytest.mark.parametrize("name", [each for each in builtin_names() if each != "Convolution"])
def test_every_effect_of_pedalboard_streams_at_the_ends_of_all_its_ranges(name: str) -> None:
    form = Format(44_100, 1, 441)
    with Rack([InsertSpec(name)], form) as rack:
        (slot,) = rack.slots
        x = noise(441 * 4)
        for knob in slot.insert.knobs:
            for end in (knob.low, knob.high) if knob.kind is float else (True, False):
                rack.turn([rack.inserts[0].turned(knob.name.partition("insert/1/")[2], end)])
                assert rack.after(x).shape == x.shape
                assert rack.faults == ("",), (knob, end)


@pytest.mark.parametrize(
    ("held", "reported"), [(0, 0), (100, 0), (100, 100), (0, 100), (1000, 1000), (700, 0)]
)
def test_what_a_plugin_leaves_out_at_the_start_becomes_a_constant_lag(held: int, reported: int) -> None:
    """As pedalboard does it: the first samples are missing, the others right; or late, and none missing."""
    form, left, kept = Format(8000, 1, 80), held, np.zeros((1, 0 if held else reported), np.float32)

    def process(block: Array) -> Array:
        nonlocal left, kept
        joined = np.concatenate([kept, block], axis=1)
        given, kept = joined[:, : block.shape[1]], joined[:, block.shape[1] :]
        skipped = min(left, given.shape[1])
        left -= skipped
        if held:  # right in time: what is held back is the future, so that the first samples are missing
            kept = np.concatenate([given[:, given.shape[1] - skipped :], kept], axis=1)
            given = given[:, : given.shape[1] - skipped]
        return given

    made = Stream(process, form, lambda: reported)
    assert made.latency_samples == max(held, reported)
    x = noise(800).T
    y = np.concatenate([made(x[:, at : at + 80]) for at in range(0, 800, 80)], axis=1)
    lag = made.latency_samples
    assert y.shape == x.shape
    assert not y[:, : min(lag, 800)].any()
    assert np.array_equal(y[:, lag:], x[:, : max(0, 800 - lag)])


def test_a_plugin_whose_latency_changes_is_out() -> None:
    reported = [10]
    made = Stream(lambda block: block, Format(8000, 1, 80), lambda: reported[0])
    made(noise(80).T)
    reported[0] = 20
    with pytest.raises(EffectError, match="its latency has become 20 samples from 10: start again"):
        made(noise(80).T)


@pytest.mark.parametrize("text", ["BrickwallLimiter:lookahead_ms=3", str(MAXIM), str(ZAM / "ZamComp.vst3")])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.usefixtures("zam_plugins")
def test_an_effect_at_unity_is_the_sound_after_its_latency(text: str, channels: int) -> None:
    x = noise(48_000, channels, level=0.01)
    with Rack([spec(text)], Format(48_000, channels, 480), live=False) as rack:
        y = blocks(rack, x)
    lag = {"BrickwallLimiter": 144, "ZaMaximX2": 480, "ZamComp": 0}[spec(text).title]
    assert rack.latency_samples == lag
    assert 20 * np.log10(np.abs(y[lag:] - x[: len(x) - lag]).max() + 1e-30) <= -120
    assert not y[:lag].any()


@pytest.mark.usefixtures("zam_plugins")
def test_knobs_of_a_plugin_are_turned_in_its_process() -> None:
    x = noise(48_000, 2, level=0.01)
    with Rack([spec(f"{ZAM / 'ZamCompX2.vst3'}:makeup_db=6")], FORM, live=False) as rack:
        names = {knob.name.rpartition("/")[2]: knob for knob in rack.inserts[0].knobs}
        assert (names["threshold_db"].low, names["threshold_db"].high) == (-80, 0)
        assert names["threshold_db"].unit == "dB"
        assert not {"gain_reduction_db", "latency_frames"} & set(names)  # meters, and what hosts are told
        assert rack.inserts[0]["param/makeup_db"] == pytest.approx(6, abs=0.05)
        louder = blocks(rack, x)
        rack.turn([rack.inserts[0].turned("param/makeup_db", 12.0)])
        deadline = time.monotonic() + 20
        while (gain := np.abs(blocks(rack, x)).max() / np.abs(x).max()) < 3.9:
            assert time.monotonic() < deadline, gain
    assert np.abs(louder[4800:]).max() / np.abs(x[4800:]).max() == pytest.approx(1.995, rel=0.02)


def test_switched_off_is_the_untouched_sound_and_back_without_a_step() -> None:
    x = np.full((4800, 2), 0.5, np.float32)
    with Rack([spec("Gain:gain_db=-6.0206")], FORM) as rack:
        on = rack.after(x)
        rack.turn([rack.inserts[0].turned("enable", False)])
        off = rack.after(x)
        rack.turn([rack.inserts[0].turned("enable", True)])
        back = rack.after(x)
    assert np.abs(np.diff(np.concatenate([on, off, back]), axis=0)).max() <= 0.25 / 480 * 1.01
    assert off[-1, 0] == 0.5
    assert back[-1, 0] == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize("reserve_ms", [0, 100])
@pytest.mark.parametrize(
    "text", ["Delay:delay_seconds=0.5,mix=1", "Reverb", str(ZAM / "ZamDelay.vst3"), "echo.py"]
)
@pytest.mark.usefixtures("zam_plugins")
def test_what_is_switched_on_again_does_not_go_on_with_what_it_heard_before(
    tmp_path: Path, text: str, reserve_ms: float
) -> None:
    if text == "echo.py":
        text = str(tmp_path / text)
        Path(text).write_text(
            "import numpy as np\n"
            "class Effect:\n"
            "    def __init__(self, *_): self.clear()\n"
            "    def clear(self): self.kept = 0\n"
            "    def process(self, block):\n"
            "        block = block + 0.9 * self.kept\n"
            "        self.kept = block\n"
            "        return block\n"
        )
    x, silence = noise(24_000, 2, level=0.3), np.zeros((24_000, 2), np.float32)
    with Rack([spec(text)], FORM, reserve_ms=reserve_ms) as rack:
        rack._patience.span_s = 60
        blocks(rack, x)
        rings = np.abs(blocks(rack, silence)).max()
        blocks(rack, x)
        rack.turn([rack.inserts[0].turned("enable", False)])
        blocks(rack, silence)
        rack.turn([rack.inserts[0].turned("enable", True)])
        assert np.abs(blocks(rack, silence)).max() < 1e-4
        blocks(rack, silence)
        assert rack.faults == ("",)
    assert rings > 0.01


@pytest.mark.parametrize("text", ["BrickwallLimiter:lookahead_ms=3", str(MAXIM)])
@pytest.mark.usefixtures("zam_plugins")
def test_what_is_switched_on_again_is_as_late_as_before(text: str) -> None:
    x = noise(24_000, 2, level=0.01)
    with Rack([spec(text)], FORM, live=False) as rack:
        blocks(rack, x)
        rack.turn([rack.inserts[0].turned("enable", False)])
        blocks(rack, x)
        rack.turn([rack.inserts[0].turned("enable", True)])
        y = blocks(rack, x)
        lag = rack.latency_samples
        assert rack.faults == ("",)
    assert np.abs(y[2 * lag + 480 :] - x[lag + 480 : len(x) - lag]).max() <= 1e-6

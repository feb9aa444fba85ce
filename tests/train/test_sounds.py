"""What sounds are gathered of: files become clips, names become labels, notes become instruments."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import zipfile
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from sound_builders import NOBODY, RATE, clatter, written

from rtsep.errors import ConfigError
from rtsep.train.sounds import instruments, packages, rules
from rtsep.train.sounds.cut import LONGEST_S, MOST_CLIPS, PEAK, read_clips
from rtsep.train.sounds.held_out import LABELS
from rtsep.train.sounds.likeness import ALIKE, Library
from rtsep.train.vocabulary import read_vocabulary

COPYRIGHT = "Files: *\nLicense: GPL-2+\n some text\n\nFiles: data\nLicense: CC-BY-SA-3.0\n"


def test_silence_is_cut_off_at_both_ends_and_the_peak_is_where_it_is_for_all(tmp_path: Path) -> None:
    silence = np.zeros(RATE, np.float32)
    path = written(tmp_path / "a.wav", np.concatenate([silence, 0.02 * clatter(0.5, 1), silence]))
    (clip,) = read_clips(path, RATE)
    assert len(clip) == pytest.approx(RATE / 2, abs=0.03 * RATE)
    assert np.abs(clip).max() == round(32767 * PEAK)


def test_a_long_recording_gives_a_few_clips_from_all_over_it(tmp_path: Path) -> None:
    wave = clatter(60, 2)
    clips = read_clips(written(tmp_path / "a.wav", wave), RATE)
    assert [len(clip) for clip in clips] == [round(LONGEST_S * RATE)] * MOST_CLIPS
    end = wave[-len(clips[-1]) :]
    assert np.corrcoef(clips[-1].astype(float), end)[0, 1] > 0.999


@pytest.mark.parametrize("wave", [np.zeros(RATE, np.float32), np.ones(100, np.float32)])
def test_what_is_silent_or_too_short_gives_no_clip(
    tmp_path: Path, wave: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> None:
    assert read_clips(written(tmp_path / "a.wav", wave), RATE) == []


def test_a_recording_is_known_again_at_telephone_quality_and_cut_and_another_is_not() -> None:
    import soxr

    known = [(clatter(4, seed) * 32767).astype(np.int16) for seed in range(5)]
    library = Library(known, RATE)
    telephone = soxr.resample(soxr.resample(known[3].astype(np.float32), RATE, 8000), 8000, RATE)
    again = library.likeness((0.2 * telephone[RATE // 2 + 77 : -RATE // 3]).astype(np.int16))
    assert again.argmax() == 3
    assert again[3] > ALIKE
    assert library.likeness((clatter(4, 99) * 32767).astype(np.int16)).max() < ALIKE


def test_the_rules_that_ship_name_no_sound_that_the_vocabulary_does_not_know() -> None:
    named = {
        label
        for categories in rules.read_rules(rules.SHIPPED).values()
        for labels in categories.values()
        for label in labels
    }
    orchestra = instruments.read_orchestra()
    named |= orchestra.melodic.keys() | orchestra.drums.keys()
    assert len(named) > 300
    assert named <= read_vocabulary().labels.keys()
    assert named >= LABELS


def test_every_file_is_one_sound_that_its_name_says(tmp_path: Path) -> None:
    for name in ("dogs/bark1.wav", "dogs/bark2.WAV", "cats/meow.wav"):
        written(tmp_path / "usr" / name, clatter(0.3, 1))
    written(tmp_path / "usr" / "more.zip.contents" / "inner" / "purr.wav", clatter(0.3, 1))
    chosen = rules.select(
        {"event": {"dog": ["*/dogs/bark*"], "cat": ["*/cats/*", "*/inner/purr*"]}}, "pets", tmp_path
    )
    assert sorted((sound.label, path.name) for path, sound in chosen) == [
        *(("cat", "meow.wav"), ("cat", "purr.wav"), ("dog", "bark1.wav"), ("dog", "bark2.WAV"))
    ]


def test_of_many_files_some_are_taken_from_all_over_and_speech_is_given_more_room(tmp_path: Path) -> None:
    for number in range(100):
        written(tmp_path / f"{number:03d}.wav", np.ones(8, np.float32))
    for category, most in (("event", rules.MOST_OF_A_LABEL), ("speech", 100)):
        chosen = [path.name for path, _ in rules.select({category: {"x": ["*.wav"]}}, "many", tmp_path)]
        assert len(set(chosen)) == most
        assert chosen[0] == "000.wav"
        assert chosen[-1] >= "097.wav"


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pets has no \*/cow\*, which is to be 'cow'"):
        rules.select({"event": {"cow": ["*/cow*"]}}, "pets", tmp_path)


def test_licences_are_read_from_the_copyright_file(tmp_path: Path) -> None:
    assert packages.licences_of(tmp_path) == "see Debian's copyright file"
    path = tmp_path / "usr" / "share" / "doc" / "pets" / "copyright"
    path.parent.mkdir(parents=True)
    path.write_text(COPYRIGHT)
    assert packages.licences_of(tmp_path) == "GPL-2+ / CC-BY-SA-3.0"


def test_where_there_is_no_apt_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="no apt-get here: sounds come from Debian's packages"):
        packages.fetch_packages(["pets"], tmp_path)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="this is no Debian")
def test_of_a_package_the_sounds_and_the_licence_are_unpacked_and_of_a_zip_in_it_the_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "tree" / "usr" / "share"
    written(data / "pets" / "bark.wav", clatter(0.3, 1))
    with zipfile.ZipFile(data / "pets" / "more.zip", "w") as archive:
        archive.write(data / "pets" / "bark.wav", "inner/bark.wav")
        archive.writestr("inner/picture.png", "no sound")
    (data / "pets" / "picture.png").write_text("no sound")
    (data / "doc" / "pets").mkdir(parents=True)
    (data / "doc" / "pets" / "copyright").write_text(COPYRIGHT)
    (tmp_path / "tree" / "DEBIAN").mkdir()
    (tmp_path / "tree" / "DEBIAN" / "control").write_text(
        "Package: pets\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: pets\n"
    )
    subprocess.run(
        ["dpkg-deb", "--build", "tree", "pets_1_all.deb"], cwd=tmp_path, check=True, capture_output=True
    )
    # In place of the network: what apt-get download does is to put the package into the current folder.
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text(f"#!/bin/sh\ncp {tmp_path}/pets_1_all.deb .\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}{os.pathsep}{os.environ['PATH']}")
    (root,) = packages.fetch_packages(["pets"], tmp_path / "cache")
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert files == [
        "usr/share/doc/pets/copyright",
        "usr/share/pets/bark.wav",
        "usr/share/pets/more.zip.contents/inner/bark.wav",
    ]
    assert packages.licences_of(root) == "GPL-2+ / CC-BY-SA-3.0"
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(os.pathsep)[2])
    assert packages.fetch_packages(["pets"], tmp_path / "cache") == [root], "it is not fetched again"


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this is no Debian")
def test_a_package_that_there_is_not_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="apt-get download no-such-package-anywhere: E: "):
        packages.fetch_packages(["no-such-package-anywhere"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_instrument_stays_in_its_range_and_a_drum_on_its_keys_and_both_come_again() -> None:
    orchestra = instruments.read_orchestra()
    for label, part in (*orchestra.melodic.items(), *orchestra.drums.items()):
        notes = part.perform(random.Random(label))
        assert notes == part.perform(random.Random(label))
        assert len(notes) > 2
        assert max(note.start_s + note.length_s for note in notes) <= instruments.SECONDS + 0.3
        keys = {note.key for note in notes}
        if isinstance(part, instruments.Melodic):
            assert part.low <= min(keys) <= max(keys) <= part.high
        else:
            assert keys <= set(part.keys)


def test_a_midi_file_holds_the_pieces_one_after_the_other_and_lets_each_key_go(tmp_path: Path) -> None:
    notes = [instruments.Note(0.5, 1.0, 60, 90), instruments.Note(1.5, 0.25, 60, 80)]
    pieces = [instruments.Piece(73, notes, drums=False), instruments.Piece(8, notes[:1], drums=True)]
    instruments.write_midi(pieces, tmp_path / "a.mid")
    now, heard = 0.0, []
    for message in mido.MidiFile(tmp_path / "a.mid"):
        now += message.time
        if message.type == "program_change":
            heard.append((message.channel, message.program, pytest.approx(now, abs=0.01)))
        elif not message.is_meta:
            heard.append((message.channel, message.type, pytest.approx(now, abs=0.01)))
    slot = instruments.SLOT_S
    assert heard == [
        *((0, 73, 0), (0, "note_on", 0.5), (0, "note_off", 1.5), (0, "note_on", 1.5), (0, "note_off", 1.75)),
        *((9, 8, slot), (9, "note_on", slot + 0.5), (9, "note_off", slot + 1.5)),
    ]


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="FluidSynth is not installed")
def test_fluidsynth_plays_what_was_written(tmp_path: Path) -> None:
    font = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
    if not font.exists():
        pytest.skip("timgm6mb-soundfont is not installed")
    piece = instruments.Piece(73, [instruments.Note(0.2, 1.0, 69, 100)], drums=False)
    instruments.write_midi([piece], tmp_path / "a.mid")
    instruments.play(tmp_path / "a.mid", font, tmp_path / "a.wav", RATE)
    wave, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == RATE
    spectrum = np.abs(np.fft.rfft(wave.mean(axis=1) * np.hanning(len(wave))))
    assert spectrum[: len(spectrum) // 4].argmax() * rate / len(wave) == pytest.approx(440, rel=0.03)


def test_without_fluidsynth_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt-get install fluidsynth"):
        instruments.play(tmp_path / "a.mid", tmp_path / "a.sf2", tmp_path / "a.wav", RATE)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[pets\n", "cannot read the rules"),
        ("[pets.event]\ndog = 3\n", "pets.event.dog: .*list, not 3 .*package, category, label = patterns"),
    ],
)
def test_rules_that_are_wrong_are_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "rules.toml").write_text(content)
    with pytest.raises(ConfigError, match=says):
        rules.read_rules(tmp_path / "rules.toml")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("soundfonts", "cannot read the instruments"),
        (NOBODY + "[drums.gong]\nkeys = [1]\n", "drums.gong.kits"),
    ],
)
def test_instruments_that_are_wrong_are_named(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "played.toml").write_text(content)
    with pytest.raises(ConfigError, match=says):
        instruments.read_orchestra(tmp_path / "played.toml")

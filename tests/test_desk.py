"""The desk: commands one after the other, the newest wins, and slow words hold up nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from rtsep.control import (
    Command,
    Console,
    LoadPreset,
    Record,
    ResetCounts,
    SavePreset,
    SetParameter,
    StepPreset,
    Value,
)
from rtsep.desk import Desk
from rtsep.errors import CommandError, ConfigError, RtsepError
from rtsep.presets import Presets

PATIENCE_S = 5.0


class SlowHost:
    """Knows every prompt but those that begin with "new", and learns them only when it is let."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.may_learn = threading.Event()
        self.learned: list[str] = []
        self.applied: list[tuple[Console, str]] = []
        self.obeyed: list[Command] = []
        self.threads: set[str] = set()

    def knows(self, text: str) -> bool:
        return not text.startswith("new") or text in self.known

    def learn(self, text: str) -> None:
        assert self.may_learn.wait(PATIENCE_S)
        self.learned.append(text)
        if text == "new nonsense":
            raise CommandError("no such sound")
        if text == "new bug":
            raise ZeroDivisionError("a bug")
        self.known.add(text)

    def apply(self, console: Console, preset: str) -> None:
        assert all(self.knows(console.strips[index].text) for index in console.used)
        self.threads.add(threading.current_thread().name)
        self.applied.append((console, preset))

    def obey(self, command: Command) -> None:
        if command == Record(True):
            raise ConfigError("the disk is full")
        self.obeyed.append(command)


@pytest.fixture
def host() -> SlowHost:
    return SlowHost()


@pytest.fixture
def desk(host: SlowHost, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(host, Console.of(["dog"]), Presets(tmp_path / "presets"))
    yield made
    host.may_learn.set()
    made.close()


def text(number: int, words: str) -> SetParameter:
    return SetParameter(f"prompt/{number}/text", words)


def done(*futures: Future[None]) -> None:
    for future in futures:
        assert future.result(PATIENCE_S) is None


def error_of(future: Future[None]) -> BaseException | None:
    return future.exception(PATIENCE_S)


def test_a_command_changes_the_console_and_reaches_the_host(desk: Desk, host: SlowHost) -> None:
    done(desk.submit(SetParameter("wet", 0.5)), desk.submit(SetParameter("prompt/1/mute", 1)))
    assert desk.console == Console.of(["dog"]).turned("wet", 0.5).turned("prompt/1/mute", True)
    assert host.applied[-1][0] == desk.console
    assert host.threads == {"rtsep-control_0"}


def test_commands_that_come_close_together_are_heard_together(desk: Desk, host: SlowHost) -> None:
    heard: list[Mapping[str, Value]] = []
    desk.listen(heard.append)
    done(*(desk.submit(SetParameter("gain", -float(number % 60))) for number in range(1000)))
    assert desk.console.gain_db == -39.0
    assert host.applied[-1][0] == desk.console
    assert len(heard) == len(host.applied) < 500
    assert heard[-1] == {"gain": -39.0}


def test_a_console_that_the_host_refuses_is_not_the_fault_of_the_next_command(
    desk: Desk, host: SlowHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(console: Console, preset: str) -> None:
        raise CommandError("not this one")

    monkeypatch.setattr(host, "apply", refuse)
    first = desk.submit(SetParameter("gain", -6.0))
    done(desk.submit(ResetCounts()))
    assert str(error_of(first)) == "not this one"
    assert host.obeyed == [ResetCounts()]


def test_words_that_are_known_are_not_learned_again(desk: Desk, host: SlowHost) -> None:
    done(desk.submit(text(1, "  cat ")), desk.submit(text(2, "")))
    assert desk.console.strips[0].text == "cat"
    assert not host.learned


def test_an_unknown_prompt_does_not_hold_up_the_commands_after_it(desk: Desk, host: SlowHost) -> None:
    slow = desk.submit(text(1, "new sound"))
    done(desk.submit(SetParameter("wet", 0.5)), desk.submit(text(2, "cat")), desk.submit(ResetCounts()))
    assert not slow.done()
    assert str(desk.console) == "dog + cat"
    assert host.obeyed == [ResetCounts()]
    host.may_learn.set()
    done(slow)
    assert str(desk.console) == "new sound + cat"
    assert desk.console.wet == 0.5
    assert host.applied[-1][0] == desk.console


def test_the_newest_command_for_a_parameter_wins_however_long_the_older_takes(
    desk: Desk, host: SlowHost
) -> None:
    older = desk.submit(text(1, "new sound"))
    done(desk.submit(text(1, "cat")))
    host.may_learn.set()
    done(older)
    assert str(desk.console) == "cat"
    assert len(host.applied) == 1


def test_of_a_preset_what_was_turned_since_stays_turned(desk: Desk, host: SlowHost) -> None:
    desk.presets.save("slow", Console.of(["new sound", "bell"]).turned("wet", 0.25).turned("gain", -6.0))
    preset = desk.submit(LoadPreset("slow"))
    done(desk.submit(SetParameter("wet", 0.75)))
    assert str(desk.console) == "dog"
    host.may_learn.set()
    done(preset)
    assert str(desk.console) == "new sound + bell"
    assert (desk.console.wet, desk.console.gain_db) == (0.75, -6.0)
    assert desk.preset == "slow"


def test_a_preset_takes_back_everything_else_and_comes_at_once(desk: Desk, host: SlowHost) -> None:
    done(desk.submit(SetParameter("gain", 6.0)))
    done(desk.submit(LoadPreset("no-rain")))
    assert desk.console == desk.presets.load("no-rain")
    assert len(host.applied) == 2
    assert host.applied[-1] == (desk.console, "no-rain")


def test_words_that_come_late_do_not_bring_back_an_older_presets_name(desk: Desk, host: SlowHost) -> None:
    late = desk.submit(text(5, "new sound"))
    done(desk.submit(LoadPreset("music")))
    host.may_learn.set()
    done(late)
    assert desk.preset == "music"
    assert host.applied[-1][1] == "music"


def test_switching_on_a_strip_whose_words_were_never_needed_learns_them_first(
    host: SlowHost, tmp_path: Path
) -> None:
    console = Console.of(["dog", "new sound"]).turned("prompt/2/enable", False)
    desk = Desk(host, console, Presets(tmp_path))
    on = desk.submit(SetParameter("prompt/2/enable", True))
    done(desk.submit(SetParameter("wet", 0.5)))
    assert not on.done()
    assert str(desk.console) == "dog"
    host.may_learn.set()
    done(on)
    assert str(desk.console) == "dog + new sound"
    assert host.learned == ["new sound"]
    desk.close()


WRONG = [
    (SetParameter("wet", 2.0), "wet is 2, but must be from 0 to 1"),
    (SetParameter("volume", 1.0), "no parameter 'volume'"),
    (SetParameter("prompt/1/text", 3.0), "prompt/1/text is 3.0, but must be words"),
    (text(1, "x" * 301), "prompt/1/text has 301 characters"),
    (text(1, "new nonsense"), "no such sound"),
    (LoadPreset("nosuch"), "no preset 'nosuch'"),
    (LoadPreset("../speech"), "no preset '../speech'"),
    (SavePreset("a/b"), "a preset cannot be called 'a/b'"),
    (SavePreset(".."), "a preset cannot be called '..'"),
    (Record(True), "the disk is full"),
]


@pytest.mark.parametrize(("command", "said"), WRONG, ids=repr)
def test_an_error_reaches_its_own_future_and_changes_nothing(
    desk: Desk, host: SlowHost, command: Command, said: str
) -> None:
    host.may_learn.set()
    before, bad, after = (
        desk.submit(each) for each in (SetParameter("gain", -6.0), command, SetParameter("wet", 0.5))
    )
    error = error_of(bad)
    assert isinstance(error, RtsepError)
    assert str(error).startswith(said)
    assert "\n" not in str(error)
    done(before, after)
    assert desk.console == Console.of(["dog"]).turned("gain", -6.0).turned("wet", 0.5)
    assert desk.preset == ""


def test_a_bug_reaches_its_own_future_and_the_desk_goes_on(desk: Desk, host: SlowHost) -> None:
    host.may_learn.set()
    assert isinstance(error_of(desk.submit(text(1, "new bug"))), ZeroDivisionError)
    desk.presets = None  # type: ignore[assignment]
    assert isinstance(error_of(desk.submit(LoadPreset("music"))), AttributeError)
    done(desk.submit(SetParameter("wet", 0.5)), desk.submit(text(1, "new sound")))


def test_what_is_saved_is_what_is_heard_and_becomes_the_preset(desk: Desk, host: SlowHost) -> None:
    done(desk.submit(SetParameter("wet", 0.5)), desk.submit(SavePreset("mine")))
    assert desk.preset == "mine"
    assert host.applied[-1] == (desk.console, "mine")
    assert desk.presets.load("mine") == desk.console
    done(desk.submit(SetParameter("wet", 0.25)))
    assert desk.preset == "mine"  # loaded last, and changed since
    assert desk.presets.load("mine").wet == 0.5


def test_what_is_saved_has_the_words_that_are_on_their_way(desk: Desk, host: SlowHost) -> None:
    coming = desk.submit(text(1, "new whistle")), desk.submit(text(2, "new nonsense"))
    overtaken = desk.submit(text(3, "new rumble")), desk.submit(text(3, "rain"))
    done(desk.submit(SavePreset("gig")))
    found = desk.presets.load("gig")
    assert [strip.text for strip in found.strips[:3]] == ["new whistle", "new nonsense", "rain"]
    host.may_learn.set()
    done(coming[0], *overtaken)
    assert isinstance(error_of(coming[1]), CommandError)
    done(desk.submit(SavePreset("gig")))
    assert [strip.text for strip in desk.presets.load("gig").strips[:3]] == ["new whistle", "", "rain"]
    assert desk.presets.load("gig") == desk.console


def test_presets_are_stepped_through_around_both_ends(desk: Desk) -> None:
    names = desk.presets.names()
    heard = []
    for by in (1, 1, -1, -1, -1, 1):
        done(desk.submit(StepPreset(by)))
        heard.append(desk.preset)
    assert heard == [names[0], names[1], names[0], names[-1], names[-2], names[-1]]


def test_the_first_step_back_is_to_the_last_preset(desk: Desk) -> None:
    done(desk.submit(StepPreset(-1)))
    assert desk.preset == desk.presets.names()[-1]


def test_two_steps_are_two_presets_even_while_the_words_are_on_their_way(desk: Desk, host: SlowHost) -> None:
    for name in ("0a", "0b"):
        desk.presets.save(name, Console.of([f"new {name}"]))
    steps = [desk.submit(StepPreset(1)) for _ in range(2)]
    host.may_learn.set()
    done(*steps)
    assert desk.preset == "0b"
    assert str(desk.console) == "new 0b"


def test_a_step_passes_over_a_preset_that_is_broken(desk: Desk) -> None:
    desk.presets.save("0a", Console())
    (desk.presets.own / "0b.toml").write_text("nonsense = 3")
    desk.presets.save("0c", Console())
    done(desk.submit(StepPreset(1)))
    assert "unknown key 'nonsense'" in str(error_of(desk.submit(StepPreset(1))))
    assert desk.preset == "0a"
    done(desk.submit(StepPreset(1)))
    assert desk.preset == "0c"


def test_listeners_hear_what_was_set_in_order_and_nothing_that_was_refused(
    desk: Desk, host: SlowHost
) -> None:
    heard: list[Mapping[str, Value]] = []
    end = desk.listen(heard.append)
    slow = desk.submit(text(2, "new sound"))
    overtaken = desk.submit(text(3, "new other"))
    bad = desk.submit(SetParameter("wet", 2.0))
    done(desk.submit(SetParameter("wet", 0.5)), desk.submit(text(3, "bell")))
    host.may_learn.set()
    done(slow, overtaken)
    assert error_of(bad)
    told = [item for each in heard for item in each.items()]
    assert told == [("wet", 0.5), ("prompt/3/text", "bell"), ("prompt/2/text", "new sound")]
    end()
    done(desk.submit(SetParameter("wet", 0.25)))
    assert {"wet": 0.25} not in heard


def test_a_listener_may_submit(desk: Desk) -> None:
    heard = threading.Event()

    def listener(values: Mapping[str, Value]) -> None:
        if "wet" in values:
            desk.submit(SetParameter("gain", -6.0)).add_done_callback(lambda _: heard.set())

    desk.listen(listener)
    done(desk.submit(SetParameter("wet", 0.5)))
    assert heard.wait(PATIENCE_S)
    assert desk.console.gain_db == -6


def test_closing_obeys_what_is_queued_words_and_all(host: SlowHost, tmp_path: Path) -> None:
    desk = Desk(host, Console(), Presets(tmp_path))
    release = threading.Event()
    desk._control.submit(release.wait, PATIENCE_S)
    commands = [SetParameter("wet", 0.5), text(1, "new sound"), text(2, "cat")]
    futures = [desk.submit(command) for command in commands]
    for wait_s, event in ((0.05, release), (0.1, host.may_learn)):
        threading.Timer(wait_s, event.set).start()
    desk.close()
    done(*futures)
    assert str(desk.console) == "new sound + cat"
    with pytest.raises(RuntimeError):
        desk.submit(SetParameter("wet", 0.25))


def test_many_threads_submit_and_the_console_is_what_was_accepted_last(desk: Desk, host: SlowHost) -> None:
    host.may_learn.set()
    heard: list[Mapping[str, Value]] = []
    desk.listen(heard.append)
    futures: list[Future[None]] = []

    def turn(number: int) -> None:
        for position in range(50):
            futures.append(desk.submit(SetParameter("wet", position / 100)))
            futures.append(desk.submit(text(number, f"new {number} {position}")))

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done(*futures)
    console = Console.of(["dog"])
    for values in heard:
        for name, value in values.items():
            console = console.turned(name, value)
    assert desk.console == console == host.applied[-1][0]
    assert [strip.text for strip in console.strips[:4]] == [f"new {number} 49" for number in range(1, 5)]

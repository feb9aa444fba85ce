"""Who hears whom: the parts of the panel know nothing of each other, and all of it meets here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rtsep.control import STRIPS
from rtsep.errors import CommandError

if TYPE_CHECKING:
    from gui.panel import Panel


def wire(panel: Panel) -> dict[str, Callable[[], object]]:
    """Tie the parts of a panel to its client and its engine.

    Returns:
        What the keys of ``gui.keys`` do.
    """
    _wire_client(panel)
    _wire_engine(panel)
    transport = panel.transport
    turn, order = partial(_turn, panel), partial(_order, panel)
    for field in panel.fields.values():
        field.edited.connect(turn)
        field.edited.connect(transport.presets.note)
    panel.learning.learn.connect(lambda name: order("No control is learnt", "learn", name))
    panel.learning.unlearn.connect(lambda name: order("No control is forgotten", "unlearn", name))
    panel.learning.said.connect(lambda text: panel.notice.flash(text, fine=True))
    panel.strips.refused.connect(panel.notice.flash)
    panel.figures.reset.connect(lambda: order("There are no counts", "reset"))
    transport.presets.load.connect(lambda name: _load(panel, name))
    transport.presets.save.connect(lambda name: _save(panel, name))
    transport.presets.step.connect(
        lambda by: order("There is no other preset", f"preset/{'next' if by > 0 else 'previous'}")
    )
    transport.record.wanted.connect(lambda on: order("Nothing is recorded", "record", bool(on)))
    transport.theme.currentIndexChanged.connect(panel.paint_theme)
    return {
        "bypass": transport.bypass.button.click,
        "previous preset": transport.presets.back.click,
        "next preset": transport.presets.on.click,
        "save preset": transport.presets.save_now,
        "record": transport.record.click,
        "reset counts": panel.figures.button.click,
        "theme": panel.next_theme,
        "learn a control": panel.learning.toggle_focused,
        **{f"strip {each}": partial(panel.strips.focus, each) for each in range(1, STRIPS + 1)},
    }


def _wire_client(panel: Panel) -> None:
    client = panel.client
    client.turned.connect(lambda name, value: panel.fields[name].show_value(value))
    client.turned.connect(panel.transport.presets.note)
    client.metered.connect(lambda side, level: panel.meters[side].hear(level))
    client.sketched.connect(panel.spectrogram.hear)
    client.figured.connect(panel.figures.hear)
    client.told.connect(lambda name, value: _hear(panel, name, value))
    client.failed.connect(panel.notice.flash)
    client.failed.connect(lambda _: panel.transport.presets.saving(""))
    client.reached.connect(lambda _: _show_state(panel))
    _show_state(panel)


def _wire_engine(panel: Panel) -> None:
    engine, bar, lister = panel.engine, panel.engine_bar, panel.lister
    engine.ask_to_quit = partial(panel.client.send, "quit")
    bar.start.connect(panel.start_engine)
    bar.stop.connect(engine.stop)
    bar.separator_picked.connect(panel.change_separator)
    bar.reload.connect(lister.reload)
    lister.listed.connect(bar.show_devices)
    lister.midi_listed.connect(bar.show_midi)
    lister.separators_listed.connect(bar.show_separators)
    lister.failed.connect(panel.notice.flash)
    engine.changed.connect(lambda _: _show_state(panel))
    engine.restarted.connect(lambda: _start_over(panel))
    engine.ended.connect(panel.notice.flash)
    engine.ended.connect(lister.reload)
    engine.changed.connect(lambda runs: None if runs else panel.client.keep({}))


def _start_over(panel: Panel) -> None:
    """The next engine gets what the last one had, and what that one was asked for last."""
    panel.hand_on()
    panel.client.lose()


def _turn(panel: Panel, name: str, value: object) -> None:
    try:
        panel.client.turn(name, value)
    except CommandError as error:
        panel.notice.flash(str(error))


def _order(panel: Panel, otherwise: str, name: str, *values: bool | str) -> bool:
    """Ask for what only an engine that answers can do; where none does, say so, and what comes of it."""
    if panel.client.alive:
        panel.client.send(name, *values)
    else:
        panel.notice.flash(f"{otherwise}: no engine answers.")
    return panel.client.alive


def _load(panel: Panel, name: str) -> None:
    panel.client.load(name)
    if not panel.client.alive:
        panel.notice.flash(f"The preset {name!r} is loaded as soon as an engine answers.", fine=True)


def _save(panel: Panel, name: str) -> None:
    """Save what is shown, and what has been typed and not entered with it."""
    for field in panel.fields.values():
        field.finish()
    if _order(panel, f"The preset {name!r} is not saved", "preset/save", name):
        panel.transport.presets.saving(name)


def _hear(panel: Panel, name: str, value: object) -> None:
    """Take what is neither a parameter nor a figure."""
    match name, value:
        case "preset", str(preset):
            _show_preset(panel, preset)
        case "presets", list(names):
            panel.transport.presets.offer(names)
        case "learn", list(pairs):
            panel.learning.show_bindings(pairs)
        case "learning", str(parameter):
            panel.learning.show_waiting(parameter)
        case "separator", str(separator):
            panel.engine_bar.show_separator(separator, keep=panel.engine.wanted and bool(separator))
        case "record", on:
            panel.transport.record.show_state(bool(on))
        case (("fault" | "overload"), str(trouble)):
            panel.troubles[name] = trouble
            _show_state(panel)


def _show_preset(panel: Panel, name: str) -> None:
    """What is loaded is as the engine says; what was saved, also what it has not confirmed yet."""
    bar = panel.transport.presets
    shown = {each: field.value for each, field in panel.fields.items()}
    saved = bar.show_loaded(name)
    bar.hold((shown if saved else panel.client.values.known) if name else {})
    for each, value in shown.items():
        bar.note(each, value)
    if saved:
        panel.notice.flash(f"The preset {name!r} is saved.", fine=True)


def _show_state(panel: Panel) -> None:
    """Say how things stand with the engine."""
    client, engine = panel.client, panel.engine
    panel.engine_bar.show_state(answers=client.alive, own=engine.wanted)
    where = f"{client.host}:{client.port}"
    if client.alive:
        if engine.wanted:
            engine.answered()
        trouble = next(filter(None, panel.troubles.values()), "")
        panel.notice.hold(trouble or f"Connected with the engine at {where}.", fine=not trouble)
        return
    panel.troubles.clear()
    for meter in panel.meters.values():
        meter.rest()
    panel.figures.rest()
    panel.transport.record.show_state(False)
    panel.learning.show_waiting("")
    panel.engine_bar.show_separator("")
    if unsaved := panel.transport.presets.rest():
        panel.notice.flash(f"The engine has gone before it said that the preset {unsaved!r} is saved.")
    begin = (
        "Start it there, with --osc-host and --osc-allow." if client.elsewhere else "Start begins one here."
    )
    if engine.wanted:
        panel.notice.hold(f"Waiting for the engine that was started here, at {where}.")
    else:
        panel.notice.hold(
            f"No engine answers at {where}. It is tried again all the time. {begin} "
            "What you set now is sent as soon as one answers."
        )

"""What keeps the server small and fair: guards, budgets, subscriptions, the schedule, the queue."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from rtsep.control import Command, Record, SetParameter, StepPreset
from rtsep.errors import CommandError, ConfigError, EngineError
from rtsep.osc import orders, subscribers
from rtsep.osc.guard import ERRORS_A_SECOND, ERRORS_AT_ONCE, MOST_HOSTS, ErrorBudget, Guard
from rtsep.osc.orders import Order, Orders
from rtsep.osc.outbox import Outbox
from rtsep.osc.packet import Message, read
from rtsep.osc.schedule import FARTHEST_S, MOST, Schedule
from rtsep.osc.subscribers import LEASE_S, METERS, Subscribers

ONE, TWO = ("127.0.0.1", 1001), ("127.0.0.1", 1002)


@pytest.mark.parametrize(
    ("sender", "permitted"),
    [("192.168.1.7", True), ("192.168.1.8", False), ("10.2.3.4", True), ("127.0.0.1", True), ("::1", True)],
)
def test_only_who_is_allowed_may_speak_and_this_computer_always(sender: str, permitted: bool) -> None:
    assert Guard("0.0.0.0", ["192.168.1.7", "10.0.0.0/8"]).permits(sender) is permitted


def test_an_allow_list_is_needed_beyond_this_computer_and_checked() -> None:
    assert not Guard("127.0.0.1").permits("192.168.1.7")
    own = Guard("192.168.1.2", ["192.168.1.7"])
    assert [own.permits(f"192.168.1.{number}") for number in (2, 3, 7)] == [True, False, True]
    with pytest.raises(ConfigError, match="say who may send"):
        Guard("192.168.1.2")
    with pytest.raises(ConfigError, match=r"OSC senders: .*write 192\.168\.1\.7"):
        Guard("0.0.0.0", ["my laptop"])


def test_errors_are_told_at_once_then_a_few_a_second_with_how_many_were_not() -> None:
    budget = ErrorBudget()
    told = [budget.spend("a", now=0.0) for _ in range(ERRORS_AT_ONCE + 50)]
    assert told == [0] * ERRORS_AT_ONCE + [None] * 50
    assert budget.spend("b", now=0.0) == 0
    assert budget.spend("a", now=1 / ERRORS_A_SECOND) == 50


def test_hosts_that_erred_are_forgotten_before_they_are_too_many() -> None:
    budget = ErrorBudget()
    for number in range(10 * MOST_HOSTS):
        budget.spend(str(number), now=0.0)
    assert len(budget._hosts) == MOST_HOSTS


def taken(outbox: Outbox) -> list[tuple[tuple[str, int], Message]]:
    """Everything that is to be sent."""
    return [(receiver, read(datagram)[0].message) for receiver, datagram in iter(outbox.pop, None)]


def test_an_outbox_keeps_only_the_newest_value_and_says_how_many_errors_it_left_out() -> None:
    now = 0.0
    outbox = Outbox(lambda: now)
    outbox.put(ONE, "/x", (1,))
    outbox.put(ONE, "/y", (2,))
    outbox.put(ONE, "/x", (3,))
    for _ in range(ERRORS_AT_ONCE + 5):
        outbox.error(ONE, "bad\nthing")
    sent = [message for _, message in taken(outbox)]
    assert sent[:2] == [Message("/y", (2,)), Message("/x", (3,))]
    assert len(sent) == 2 + ERRORS_AT_ONCE
    assert sent[-1] == Message("/rtsep/error", ("bad thing",))
    now = 1.0
    outbox.error(ONE, "again")
    again = Message("/rtsep/error", ("again (5 more errors before this one)",))
    assert taken(outbox) == [(ONE, again)]


def test_subscriptions_end_an_hour_after_their_host_last_spoke() -> None:
    kept = Subscribers()
    kept.add(ONE, now=0.0)
    kept.add(("10.0.0.1", 7), now=0.0)
    kept.heard("127.0.0.1", now=LEASE_S)
    assert kept.expired(now=LEASE_S + 1) == [("10.0.0.1", 7)]
    assert list(kept) == [ONE]


def test_one_subscription_too_many_ends_the_one_asked_for_the_longest_time_ago() -> None:
    kept = Subscribers()
    for port in range(1, subscribers.MOST + 1):
        assert kept.add(("127.0.0.1", port), now=float(port)) is None
    kept.add(("127.0.0.1", 1), now=1000.0)
    assert kept.add(("127.0.0.1", 9999), now=1001.0) == ("127.0.0.1", 2)
    assert len(kept) == subscribers.MOST


def test_a_beat_of_the_meters_that_was_missed_is_left_out() -> None:
    kept = Subscribers()
    kept.add(ONE, now=0.0)
    kept.set_rate(ONE, METERS, 10.0, now=0.0)
    assert [bool(kept.due(now)) for now in (0.0, 0.05, 0.1, 5.0, 5.01, 5.1)] == [1, 0, 1, 1, 0, 1]
    kept.set_rate(ONE, METERS, 0.0, now=6.0)
    assert kept.next_due() is None


def test_the_schedule_gives_out_by_time_then_by_arrival() -> None:
    schedule = Schedule()
    for number, ahead in enumerate((2.0, 1.0, 2.0, 1.0)):
        schedule.hold(ahead, 0.0, Message("/x", (number,)), ONE)
    assert schedule.due(0.5) == []
    assert schedule.next_due == 1.0
    assert [message.arguments[0] for message, _ in schedule.due(2.0)] == [1, 3, 0, 2]


def test_the_schedule_holds_neither_too_much_nor_too_long() -> None:
    schedule = Schedule()
    with pytest.raises(CommandError, match="set both clocks"):
        schedule.hold(FARTHEST_S + 1, 0.0, Message("/x"), ONE)
    for _ in range(MOST):
        schedule.hold(1.0, 0.0, Message("/x"), ONE)
    with pytest.raises(CommandError, match="held already"):
        schedule.hold(1.0, 0.0, Message("/x"), ONE)
    assert len(schedule) == MOST


class SlowDesk:
    """Keeps what it is given until it is told to be done."""

    def __init__(self) -> None:
        self.given: list[Command] = []
        self.futures: list[Future[None]] = []
        self.over: list[tuple[Order, BaseException | None]] = []

    def submit(self, command: Command) -> Future[None]:
        """Take a command."""
        self.given.append(command)
        self.futures.append(Future())
        return self.futures[-1]

    def done(self, order: Order, error: BaseException | None) -> None:
        """Take note of an order that is over."""
        self.over.append((order, error))


def test_of_positions_that_wait_only_the_newest_is_obeyed_and_everybody_is_answered() -> None:
    desk = SlowDesk()
    queue = Orders(desk.submit, desk.done)
    for gain, sender in ((1.0, ONE), (2.0, TWO)):
        queue.add(SetParameter("gain", gain), sender, "/rtsep/gain")
        queue.add(SetParameter("wet", gain / 4), sender, "/rtsep/wet")
    queue.flush(0.0)
    assert desk.given == [SetParameter("gain", 2.0), SetParameter("wet", 0.5)]
    desk.futures[0].set_result(None)
    ((order, error),) = desk.over
    assert (set(order.asks), error) == ({(ONE, "/rtsep/gain"), (TWO, "/rtsep/gain")}, None)


def test_nothing_is_overtaken_across_a_command_that_may_change_anything() -> None:
    desk = SlowDesk()
    queue = Orders(desk.submit, desk.done)
    commands = [
        SetParameter("gain", 1.0),
        StepPreset(1),
        SetParameter("gain", 2.0),
        Record(True),
        Record(False),
    ]
    for command in commands:
        queue.add(command, ONE, "/rtsep/x")
    queue.flush(0.0)
    assert desk.given == commands


def test_the_desk_is_given_a_window_of_commands_and_the_queue_is_bounded() -> None:
    desk = SlowDesk()
    queue = Orders(desk.submit, desk.done)
    for _ in range(orders.MOST_WAITING):
        queue.add(Record(True), ONE, "/rtsep/record")
    with pytest.raises(CommandError, match="512 commands wait already"):
        queue.add(Record(True), ONE, "/rtsep/record")
    queue.flush(0.0)
    assert len(desk.given) == orders.MOST_FLYING
    desk.futures[0].set_result(None)
    queue.landed(desk.over[0][0])
    queue.flush(1.0)
    assert len(desk.given) == orders.MOST_FLYING + 1


def test_a_desk_that_takes_nothing_any_more_is_an_error_of_the_order() -> None:
    def submit(_: Command) -> Future[None]:
        raise RuntimeError("cannot schedule new futures after shutdown")

    desk = SlowDesk()
    queue = Orders(submit, desk.done)
    queue.add(Record(True), ONE, "/rtsep/record")
    queue.flush(0.0)
    assert isinstance(desk.over[0][1], EngineError)


def test_a_flood_is_handed_over_no_faster_than_the_engines_process_can_bear() -> None:
    desk = SlowDesk()
    queue = Orders(desk.submit, lambda order, error: queue.landed(order))
    for step in range(2000):
        queue.add(SetParameter("gain", step / 100), ONE, "/rtsep/gain")
        queue.flush(step / 1000)
        for future in desk.futures[:]:
            desk.futures.remove(future)
            future.set_result(None)
    assert len(desk.given) <= orders.AT_ONCE + 2 * orders.A_SECOND
    assert queue.wait
    queue.flush(3.0)
    assert desk.given[-1] == SetParameter("gain", 19.99)

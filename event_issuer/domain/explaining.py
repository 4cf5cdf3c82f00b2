"""Why an event did, or did not, reach a subscription: one table, the first rule that fits decides.

The facts are what is written down, and what the process that is asked has in memory; they are gathered elsewhere. Where
they leave more than one reading open, the rules take the one that claims less. `docs/explaining.md` prints the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from event_issuer.domain.cursor import Cursor
from event_issuer.domain.subscriptions import DELIVERING, Status
from event_issuer.domain.time import Instant
from event_issuer.domain.unreadable import UnreadableReason
from event_issuer.domain.verdicts import Standing


class DeliveryVerdict(StrEnum):
    DELIVERED = "DELIVERED"
    IN_FLIGHT = "IN_FLIGHT"
    PENDING = "PENDING"
    PARKED = "PARKED"
    BEHIND_KEY = "BEHIND_KEY"
    DEAD_LETTERED = "DEAD_LETTERED"
    FILTERED_OUT = "FILTERED_OUT"
    QUARANTINED = "QUARANTINED"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    BEFORE_START = "BEFORE_START"
    NOT_RUNNING = "NOT_RUNNING"
    NOT_ALLOWED = "NOT_ALLOWED"
    UNKNOWN = "UNKNOWN"


class Progress(Enum):
    """What a process has in memory of an event that is not settled as far as is written down."""

    NONE = "none"  # or it is not the process that delivers it
    REQUEST = "request"  # a request for it is under way
    ENDED = "ended"  # what came of it is about to be written down


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What something waits for, as words that follow "It waits for"; `until` where there is a time."""

    what: str
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class LaneStanding:
    start_offset: int
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class ParkedStanding:
    """A dead letter has `dead_lettered_at`; what waits has `next_attempt_at`, and `companions` of its batch."""

    offset: int
    attempts: int
    next_attempt_at: Instant | None
    dead_lettered_at: Instant | None = None
    last_error: str | None = None
    companions: int = 0


@dataclass(frozen=True, slots=True)
class Try:
    number: int
    is_delivered: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`offset` None: there is no such event, as `missing` says. `recorded_at` None: the log no longer has it. `head` is
    another event that blocks the key of this one, `filtered_by` what the filter of now says no to.

    Every attempt since `history_since` is on record.
    """

    now: Instant
    status: Status
    history_since: Instant
    offset: int | None = None
    missing: str = "There is no such event."
    event_type: str = ""
    may_consume: bool = True
    recorded_at: Instant | None = None
    lane: LaneStanding | None = None
    standing: Standing | None = None
    unreadable: UnreadableReason | None = None
    tries: Sequence[Try] = ()
    parked: ParkedStanding | None = None
    head: ParkedStanding | None = None
    filtered_by: str | None = None
    progress: Progress = Progress.NONE
    obstacle: Obstacle | None = None  # what holds up the subscription as a whole

    @property
    def is_settled(self) -> bool:
        return self.offset is not None and self.lane is not None and self.lane.cursor.is_settled(self.offset)

    @property
    def is_whole(self) -> bool:
        """Whether no attempt at this event can have been pruned: the oldest go first."""
        if self.tries and self.tries[0].number == 1:
            return True
        return self.recorded_at is not None and self.recorded_at >= self.history_since


@dataclass(frozen=True, slots=True)
class Explanation:
    """`is_recorded` is False where what happened is not, or no longer, on record as a whole."""

    verdict: DeliveryVerdict
    is_recorded: bool
    reason: str
    waits: Obstacle | None


def _waits_for_nothing(_: Facts) -> Obstacle | None:
    return None


@dataclass(frozen=True, slots=True)
class Rule:
    """`condition` is what the documents print; `reason` is a sentence for the owner."""

    verdict: DeliveryVerdict
    condition: str
    fits: Callable[[Facts], bool]
    reason: Callable[[Facts], str]
    waits: Callable[[Facts], Obstacle | None] = field(default=_waits_for_nothing)
    leaves_record: bool = True


def explain(facts: Facts) -> Explanation:
    rule = next(rule for rule in RULES if rule.fits(facts))
    nothing_yet = facts.lane is not None and not facts.is_settled and facts.parked is None
    is_recorded = rule.leaves_record and (nothing_yet or facts.is_whole)
    return Explanation(rule.verdict, is_recorded, rule.reason(facts), rule.waits(facts))


# What it waits for


_BY_STATUS: Final = {
    Status.INITIALIZING: "the endpoint to agree that it wants to receive",
    Status.STOPPING: "the subscription to be started",
    Status.STOPPED: "the subscription to be started",
    Status.FAILED: "the subscription to be verified and started",
}


def _hindrance(facts: Facts) -> Obstacle | None:
    """What holds up the whole subscription."""
    if facts.status not in DELIVERING:
        return Obstacle(_BY_STATUS[facts.status])
    return facts.obstacle


def _next_attempt(facts: Facts, parked: ParkedStanding, what: str) -> Obstacle:
    hindrance = _hindrance(facts)
    if hindrance is not None or parked.next_attempt_at is None:
        return hindrance or Obstacle(what)
    if parked.next_attempt_at <= facts.now:
        return Obstacle(f"{what}, which is due: for room among the requests under way")
    return Obstacle(what, parked.next_attempt_at)


def _waits_for_attempt(facts: Facts) -> Obstacle | None:
    return _next_attempt(facts, facts.parked, "its next attempt") if facts.parked else None


def _waits_for_head(facts: Facts) -> Obstacle | None:
    if facts.head is None:
        return None
    if facts.head.dead_lettered_at is not None:
        return Obstacle(f"somebody to retry or discard the dead letter at offset {facts.head.offset}")
    return _next_attempt(facts, facts.head, f"the next attempt at the event at offset {facts.head.offset}")


def _waits_for_turn(facts: Facts) -> Obstacle | None:
    return _hindrance(facts) or Obstacle("its turn in its lane")


def _waits_for_release(facts: Facts) -> Obstacle | None:
    if facts.standing is not Standing.HELD or facts.unreadable is not None:
        return None
    return Obstacle("whoever manages its event type to release or discard it")


def _waits_for_answer(facts: Facts) -> Obstacle | None:
    ended = facts.progress is Progress.ENDED
    return Obstacle("its outcome to be written down" if ended else "the endpoint's answer")


# The reasons


def _tried(facts: Facts) -> str:
    last = facts.tries[-1]
    return f"Attempt {last.number} failed{f': {last.error}' if last.error else '.'}"


def _dead_letter(facts: Facts) -> str:
    error = facts.parked.last_error if facts.parked else None
    return f"It failed for good and is a dead letter. {error or ''}".rstrip()


def _parked(facts: Facts) -> str:
    parked = facts.parked
    if parked is None or parked.attempts == 0:
        return "It is parked, and its turn has come: it has not been tried yet."
    attempts = "one failed attempt" if parked.attempts == 1 else f"{parked.attempts} failed attempts"
    company = (
        f", with {parked.companions} other{'s' * (parked.companions > 1)} of its batch" if parked.companions else ""
    )
    return f"It is parked after {attempts}{company}. {parked.last_error or ''}".rstrip()


def _before_start(facts: Facts) -> str:
    start = facts.lane.start_offset if facts.lane else 0
    return f"It is at offset {facts.offset}; the subscription begins at {start} in this partition."


_STANDINGS: Final = {
    Standing.HELD: "It breaks its contract and is held in quarantine.",
    Standing.DEAD_LETTERED: "It breaks its contract, which its event type enforces: it is never delivered.",
    Standing.DISCARDED: "It broke its contract, and was discarded from quarantine.",
}


def _withheld(facts: Facts) -> str:
    if facts.unreadable is not None:
        return f"Its record is no event that could be delivered ({facts.unreadable}), and is passed."
    return _STANDINGS[facts.standing or Standing.HELD]


def _behind(facts: Facts) -> str:
    head = facts.head.offset if facts.head else 0
    return f"An earlier event of the same partition key, at offset {head}, failed and blocks the key."


def _gone(facts: Facts) -> str:
    gone = "The log no longer has it (retention or compaction took it), and nothing is on record of it."
    return f"{gone} It had not been delivered." if facts.lane is not None and not facts.is_settled else gone


def _pending(facts: Facts) -> str:
    cursor = facts.lane.cursor if facts.lane else Cursor(0)
    ahead = cursor.unsettled_before(facts.offset or 0)
    return f"Its lane has not settled it. Events before it in its partition that are not settled either: {ahead}."


def _failed_last(facts: Facts) -> bool:
    return bool(facts.tries) and not facts.tries[-1].is_delivered


_V = DeliveryVerdict
RULES: Final = (
    Rule(
        _V.UNKNOWN,
        "there is no such event, or it is of a type that you may not see",
        lambda facts: facts.offset is None,
        lambda facts: facts.missing,
        leaves_record=False,
    ),
    Rule(
        _V.NOT_ALLOWED,
        "you may not consume events of its type, or no longer",
        lambda facts: not facts.may_consume,
        lambda facts: f"You need a policy for CONSUME on {facts.event_type} to hear more.",
    ),
    Rule(
        _V.DELIVERED,
        "an attempt that delivered it is on record",
        lambda facts: any(one.is_delivered for one in facts.tries),
        lambda facts: f"Attempt {next(one.number for one in facts.tries if one.is_delivered)} delivered it.",
    ),
    Rule(
        _V.IN_FLIGHT,
        "the process that you ask is sending it at this moment",
        lambda facts: facts.progress is Progress.REQUEST,
        lambda _: "A request with it is under way.",
        _waits_for_answer,
    ),
    Rule(
        _V.DEAD_LETTERED,
        "it is a dead letter",
        lambda facts: facts.parked is not None and facts.parked.dead_lettered_at is not None,
        _dead_letter,
    ),
    Rule(
        _V.PARKED,
        "it is parked",
        lambda facts: facts.parked is not None,
        _parked,
        _waits_for_attempt,
    ),
    Rule(
        _V.NOT_SUBSCRIBED,
        "its type is none of the subscription's",
        lambda facts: facts.lane is None,
        lambda facts: f"The subscription does not name the event type {facts.event_type}.",
    ),
    Rule(
        _V.BEFORE_START,
        "it was in the log before the place where the subscription begins",
        lambda facts: facts.lane is not None and (facts.offset or 0) < facts.lane.start_offset,
        _before_start,
    ),
    Rule(
        _V.QUARANTINED,
        "it came from outside the API, breaks its contract or is no event at all, and was not released",
        lambda facts: facts.standing in _STANDINGS,
        _withheld,
        _waits_for_release,
    ),
    Rule(
        _V.UNKNOWN,
        "the log no longer has it, and nothing is on record of it",
        lambda facts: facts.recorded_at is None and not facts.tries,
        _gone,
        leaves_record=False,
    ),
    Rule(
        _V.FILTERED_OUT,
        "the filter or the pinned schema version, as it is now, does not take it",
        lambda facts: facts.filtered_by is not None,
        lambda facts: f"The subscription does not take it: {facts.filtered_by}",
    ),
    Rule(
        _V.BEHIND_KEY,
        "an earlier event of its partition key blocks the key",
        lambda facts: facts.head is not None,
        _behind,
        _waits_for_head,
    ),
    Rule(
        _V.DEAD_LETTERED,
        "it is settled, its last attempt on record failed, and it is no longer parked",
        lambda facts: facts.is_settled and _failed_last(facts),
        lambda facts: f"{_tried(facts)} It was given up, and the dead letter has been removed since.",
        leaves_record=False,
    ),
    Rule(
        _V.FILTERED_OUT,
        "it is settled, and no attempt was ever made",
        lambda facts: facts.is_settled and facts.is_whole,
        lambda _: (
            "It was settled without an attempt: the filter or the pinned schema version of that time did not take it."
        ),
    ),
    Rule(
        _V.UNKNOWN,
        "it is settled, but the history of that time has been pruned",
        lambda facts: facts.is_settled,
        lambda _: "It is settled: delivered, filtered out or given up. Which of them is no longer on record.",
        leaves_record=False,
    ),
    Rule(
        _V.NOT_RUNNING,
        "it is not settled, and the subscription does not deliver",
        lambda facts: facts.status not in DELIVERING,
        lambda facts: f"It has not been sent: the subscription is {facts.status}.",
        _hindrance,
    ),
    Rule(
        _V.IN_FLIGHT,
        "the process that you ask has sent it and is about to write down what came of it",
        lambda facts: facts.progress is Progress.ENDED,
        lambda _: "The request with it has ended.",
        _waits_for_answer,
    ),
    Rule(
        _V.PENDING,
        "it is not settled; another process may be sending it, which cannot be seen from here",
        lambda _: True,
        _pending,
        _waits_for_turn,
    ),
)

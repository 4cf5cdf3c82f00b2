"""Webhook subscriptions: their words, states and legal transitions. Pure rules.

`TRANSITIONS` is the table that `docs/subscriptions.md` prints; whatever is not in it is a CONFLICT.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from event_issuer.domain.errors import BadInput, Conflict
from event_issuer.domain.position_loss import OnPositionLost
from event_issuer.domain.time import Instant


class Status(StrEnum):
    INITIALIZING = "INITIALIZING"  # the endpoint has not yet agreed to receive
    STARTING = "STARTING"  # agreed; a delivery process has yet to open its lanes
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"  # no request starts any more; those under way are being settled
    STOPPED = "STOPPED"
    FAILED = "FAILED"  # the endpoint refused for good, or never agreed
    RESTART = "RESTART"  # settings changed while running; lanes reopen with them


class Command(StrEnum):
    """What moves a subscription from state to state: its owner's wishes and the delivery service's findings."""

    START = "start"
    VERIFY = "verify and start"
    STOP = "stop"
    UPDATE = "update"
    UPDATE_URL = "update url"
    VERIFIED = "verified"
    OPENED = "opened"
    DRAINED = "drained"
    FAIL = "fail"


TRANSITIONS: Final[dict[Status, dict[Command, Status]]] = {
    Status.INITIALIZING: {
        Command.VERIFIED: Status.STARTING,
        Command.FAIL: Status.FAILED,
        Command.STOP: Status.STOPPED,
        Command.UPDATE: Status.INITIALIZING,
        Command.UPDATE_URL: Status.INITIALIZING,
    },
    Status.STARTING: {
        Command.OPENED: Status.RUNNING,
        Command.STOP: Status.STOPPING,
        Command.FAIL: Status.FAILED,
        Command.UPDATE: Status.STARTING,
        Command.UPDATE_URL: Status.INITIALIZING,
    },
    Status.RUNNING: {
        Command.STOP: Status.STOPPING,
        Command.FAIL: Status.FAILED,
        Command.UPDATE: Status.RESTART,
        Command.UPDATE_URL: Status.INITIALIZING,
    },
    Status.RESTART: {
        Command.OPENED: Status.RUNNING,
        Command.STOP: Status.STOPPING,
        Command.FAIL: Status.FAILED,
        Command.UPDATE: Status.RESTART,
        Command.UPDATE_URL: Status.INITIALIZING,
    },
    Status.STOPPING: {
        Command.DRAINED: Status.STOPPED,
        Command.FAIL: Status.FAILED,
    },
    Status.STOPPED: {
        Command.START: Status.STARTING,
        Command.VERIFY: Status.INITIALIZING,
        Command.UPDATE: Status.STOPPED,
        Command.UPDATE_URL: Status.STOPPED,
    },
    Status.FAILED: {
        Command.VERIFY: Status.INITIALIZING,
        Command.UPDATE: Status.FAILED,
        Command.UPDATE_URL: Status.FAILED,
    },
}
DELIVERING: Final = frozenset({Status.STARTING, Status.RUNNING, Status.RESTART})


def transition(status: Status, command: Command) -> Status:
    """The state after `command`. Raises Conflict, naming what would be possible, where the table has no entry."""
    possible = TRANSITIONS[status]
    if command not in possible:
        raise Conflict(
            f"A subscription that is {status} cannot take {command!s}; it can take {', '.join(possible)} or delete."
        )
    return possible[command]


# Its endpoint has agreed to receive and has not refused since: one that is stopped may be tried out before its start.
TESTABLE: Final = DELIVERING | {Status.STOPPING, Status.STOPPED}
TEST_WAIT_S: Final = 60  # a test event that no process has taken by then is not sent: who asked has gone away


def refuse_untestable(status: Status, verified_at: Instant | None) -> None:
    """Raises Conflict where an endpoint may not be sent a test event."""
    if status not in TESTABLE or verified_at is None:
        raise Conflict(
            f"The endpoint has not agreed to receive, or no longer (the subscription is {status}); "
            "verifyWebhookSubscription asks it."
        )


class ContentMode(StrEnum):
    BINARY = "BINARY"
    STRUCTURED = "STRUCTURED"
    BATCH = "BATCH"  # several events of a partition in one request


class Ordering(StrEnum):
    PER_KEY = "PER_KEY"  # the first deliveries of a partition key in log order
    NONE = "NONE"
    STRICT = "STRICT"  # one event of a partition after the other


class OnDeadLetter(StrEnum):
    """What becomes of a key whose head is a dead letter."""

    CONTINUE = "CONTINUE"
    HOLD_KEY = "HOLD_KEY"  # it stays blocked until the owner has retried or discarded the head


class Verification(StrEnum):
    OPTIONS_HANDSHAKE = "OPTIONS_HANDSHAKE"
    NONE = "NONE"


# Standard Webhooks, "Deliverability and reliability": the example schedule.
STANDARD_RETRY_DELAYS_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)

# Of one subscription. Then its lanes read no further: the endpoint is not failing on some events but as a whole.
PARKED_MAX: Final = 10_000
MAX_IN_FLIGHT_MAX: Final = 256  # more open requests to one endpoint is an attack on it
TIMEOUT_MIN_S: Final = 0.1
TIMEOUT_MAX_S: Final = 60.0  # a request holds a slot and a connection for so long
RETRIES_MAX: Final = 50
RETRY_DELAY_MAX_S: Final = 7 * 24 * 3600.0
RETRY_AGE_MAX_S: Final = 30 * 24 * 3600.0  # dead letters are kept for as long
REQUESTS_PER_SECOND_MIN: Final = 0.001  # one in some 17 minutes; whoever wants fewer stops the subscription
REQUESTS_PER_SECOND_MAX: Final = 10_000.0
BATCH_EVENTS_MAX: Final = 500  # half of what a lane reads ahead; a failed batch is as many rows
BATCH_BYTES_MIN: Final = 1_024
BATCH_BYTES_MAX: Final = 1024 * 1024  # a usual limit of endpoints; each request under way holds as much in memory
BATCH_WAIT_MAX_S: Final = 60.0  # whoever wants to hear more seldom stops and starts the subscription


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How a subscription wants its events sent. `retry_delays_s[n]` is the longest pause after attempt n + 1.

    An event that is older than `retry_age_max_s` since its first failure is not tried again, and one that the endpoint
    refused not after `refused_attempts_max` attempts. With a `schema_version`, only those that keep this version of
    their type's contract. `on_position_lost`: where it goes on when the log no longer has what it stands at. A batch
    has `batch_events_max` events at most and, where it has more than one, a body of `batch_bytes_max`; its first event
    waits up to `batch_wait_max_s` for the others. Raises BadInput for a value out of its bounds.
    """

    max_in_flight: int
    timeout_s: float
    retry_delays_s: tuple[float, ...]
    schema_version: int | None = None
    retry_age_max_s: float = 7 * 24 * 3600.0
    refused_attempts_max: int = 3
    requests_per_second: float | None = None
    on_dead_letter: OnDeadLetter = OnDeadLetter.CONTINUE
    on_position_lost: OnPositionLost = OnPositionLost.EARLIEST
    batch_events_max: int = 100
    batch_bytes_max: int = 256 * 1024
    batch_wait_max_s: float = 1.0

    def __post_init__(self) -> None:
        _check("maxInFlight", self.max_in_flight, 1, MAX_IN_FLIGHT_MAX)
        _check("timeoutSeconds", self.timeout_s, TIMEOUT_MIN_S, TIMEOUT_MAX_S)
        if len(self.retry_delays_s) > RETRIES_MAX:
            raise BadInput(f"A schedule has at most {RETRIES_MAX} delays, not {len(self.retry_delays_s)}.")
        for delay in self.retry_delays_s:
            if not 0 <= delay <= RETRY_DELAY_MAX_S:
                raise BadInput(f"A retry delay is 0 to {RETRY_DELAY_MAX_S} seconds, not {delay}.")
        _check("maxAgeSeconds", self.retry_age_max_s, 0, RETRY_AGE_MAX_S)
        _check("refusedAttemptsMax", self.refused_attempts_max, 1, RETRIES_MAX + 1)
        if self.requests_per_second is not None:
            _check("requestsPerSecond", self.requests_per_second, REQUESTS_PER_SECOND_MIN, REQUESTS_PER_SECOND_MAX)
        _check("batch.maxEvents", self.batch_events_max, 1, BATCH_EVENTS_MAX)
        _check("batch.maxBytes", self.batch_bytes_max, BATCH_BYTES_MIN, BATCH_BYTES_MAX)
        _check("batch.maxWaitSeconds", self.batch_wait_max_s, 0, BATCH_WAIT_MAX_S)
        if self.schema_version is not None and self.schema_version < 1:
            raise BadInput(f"Schema versions are numbered from 1, so that there is no {self.schema_version}.")

    @classmethod
    def from_json(cls, text: str) -> "DeliverySettings":
        """What an earlier program did not know of takes its default."""
        members = json.loads(text)
        members["retry_delays_s"] = tuple(members["retry_delays_s"])
        for name, words in (("on_dead_letter", OnDeadLetter), ("on_position_lost", OnPositionLost)):
            if name in members:
                members[name] = words(members[name])
        return cls(**members)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadInput(f"{name} is {least} to {most}, not {value}.")


def refuse_mismatch(content_mode: ContentMode, ordering: Ordering, *, names_batch: bool) -> None:
    """Raises BadInput for what cannot go together; `names_batch` says whether somebody asks for settings of batches."""
    if content_mode is not ContentMode.BATCH:
        if names_batch:
            raise BadInput(
                f"delivery.batch is for contentMode BATCH; here it is {content_mode}. Leave delivery.batch out."
            )
    elif ordering is Ordering.STRICT:
        raise BadInput(
            "Ordering STRICT sends one event after the other, contentMode BATCH many together; use PER_KEY or NONE."
        )

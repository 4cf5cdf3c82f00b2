"""Webhook subscriptions: their words, states and legal transitions. Pure rules.

`TRANSITIONS` is the table that `docs/subscriptions.md` prints; whatever is not in it is a CONFLICT.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from event_issuer.domain.errors import BadInput, Conflict
from event_issuer.domain.position_loss import OnPositionLost


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


class ContentMode(StrEnum):
    BINARY = "BINARY"


class Ordering(StrEnum):
    PER_KEY = "PER_KEY"
    NONE = "NONE"


class Verification(StrEnum):
    OPTIONS_HANDSHAKE = "OPTIONS_HANDSHAKE"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How a subscription wants its events sent. `retry_delays_s[n]` is the pause after attempt n + 1.

    With a `schema_version`, only those that keep this version of their type's contract. `on_position_lost`: where it
    goes on when the log no longer has what it stands at.
    """

    max_in_flight: int
    timeout_s: float
    retry_delays_s: tuple[float, ...]
    schema_version: int | None = None
    on_position_lost: OnPositionLost = OnPositionLost.EARLIEST

    def __post_init__(self) -> None:
        if not 1 <= self.max_in_flight <= MAX_IN_FLIGHT_MAX:
            raise BadInput(f"maxInFlight is 1 to {MAX_IN_FLIGHT_MAX}, not {self.max_in_flight}.")
        if not TIMEOUT_MIN_S <= self.timeout_s <= TIMEOUT_MAX_S:
            raise BadInput(f"timeoutSeconds is {TIMEOUT_MIN_S} to {TIMEOUT_MAX_S}, not {self.timeout_s}.")
        if len(self.retry_delays_s) > RETRIES_MAX:
            raise BadInput(f"A schedule has at most {RETRIES_MAX} delays, not {len(self.retry_delays_s)}.")
        for delay in self.retry_delays_s:
            if not 0 <= delay <= RETRY_DELAY_MAX_S:
                raise BadInput(f"A retry delay is 0 to {RETRY_DELAY_MAX_S} seconds, not {delay}.")

        if self.schema_version is not None and self.schema_version < 1:
            raise BadInput(f"Schema versions are numbered from 1, so that there is no {self.schema_version}.")

    @classmethod
    def from_json(cls, text: str) -> "DeliverySettings":
        members = json.loads(text)
        delays_s = tuple(members["retry_delays_s"])
        return cls(
            members["max_in_flight"],
            members["timeout_s"],
            delays_s,
            members.get("schema_version"),
            OnPositionLost(members.get("on_position_lost", OnPositionLost.EARLIEST)),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))


MAX_IN_FLIGHT_MAX: Final = 256  # more open requests to one endpoint is an attack on it
TIMEOUT_MIN_S: Final = 0.1
TIMEOUT_MAX_S: Final = 60.0  # a request holds a slot and a connection for so long
RETRIES_MAX: Final = 50
RETRY_DELAY_MAX_S: Final = 7 * 24 * 3600.0

# Standard Webhooks, "Deliverability and reliability": the example schedule.
STANDARD_RETRY_DELAYS_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)

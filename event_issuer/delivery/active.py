"""A subscription as the engine delivers for it: unsealed, parsed, and how many requests it may have under way.

Built once per change of the subscription; its lanes share it. Knows nothing of the log or of how lanes read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from event_issuer.db.tables import Subscription
from event_issuer.delivery.alarm import Alarm
from event_issuer.delivery.caps import Cap, Caps
from event_issuer.delivery.concurrency import Concurrency, Pace
from event_issuer.delivery.health import FAILURES_IN_A_ROW, Breaker, Health, HealthRecord
from event_issuer.delivery.outcome import Outcome, OutcomeKind
from event_issuer.domain.credentials import Credentials
from event_issuer.domain.replays import IN_FLIGHT_PART
from event_issuer.domain.subscriptions import ContentMode, DeliverySettings, Ordering
from event_issuer.domain.time import SECOND_US, Clock, Instant
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.urls import Target, parse_target
from event_issuer.security.sealing import CREDENTIALS, SIGNING_SECRET, Sealer
from event_issuer.security.signing_secrets import spellings_of

USER_AGENT = "event-issuer"
FAILURES_IN_A_ROW_LEAST: Final = 3  # one event that fails alone does not open a breaker


@dataclass(slots=True)
class Endpoint:
    """What every request of a subscription carries, and where it goes; `secrets` is what no record may show. Its repr
    shows none."""

    target: Target
    rules: AddressRules
    signing_key: bytes = field(repr=False)
    head: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


class ActiveSubscription:
    """Its lanes share it. `limit` is how many requests may be under way now: 0 while nothing may be sent.

    Parked events keep the subscription's own time, `now()`, which stands still while nothing is due.
    """

    def __init__(
        self,
        id_: int,
        endpoint: Endpoint,
        ordering: Ordering,
        settings: DeliverySettings,
        health: HealthRecord,
        clock: Clock,
        random: Random,
        host_cap: Cap,
        tenant_cap: Cap,
        content_mode: ContentMode = ContentMode.BINARY,
    ) -> None:
        self.id, self.endpoint, self.ordering, self.settings = id_, endpoint, ordering, settings
        self.content_mode = content_mode
        most = settings.max_in_flight
        # So few that what a dead endpoint leaves behind stays within twice what may be under way.
        in_a_row = max(FAILURES_IN_A_ROW_LEAST, min(FAILURES_IN_A_ROW, most // 2))
        self.health = Health(health, random, in_a_row)
        self.concurrency = Concurrency(most)
        self.in_flight = 0
        self.retries_in_flight = 0
        self.replays_in_flight = 0
        self.parked = 0  # in all its lanes here
        self.is_open = True
        self.is_health_unsaved = False
        self.limit = 0
        self._pace = None if settings.requests_per_second is None else Pace(settings.requests_per_second)
        self._clock = clock
        self._host_cap, self._tenant_cap = host_cap, tenant_cap
        self._lanes: list[Callable[[], None]] = []  # how to wake them
        self._starved: set[Callable[[], None]] = set()
        self._alarm = Alarm(self._ring, clock)
        self.is_probing = False
        self.health.pass_time(clock())
        self._set_limit()

    def join(self, wake: Callable[[], None]) -> None:
        """One more lane, which hears of it when time goes on again."""
        self._lanes.append(wake)
        self._alarm.set(self.health.next_change_at, self._clock())

    def share(self, most: int) -> None:
        """Other processes deliver for it, too: only so many requests are for this one. Before the first of them."""
        self.settings = replace(self.settings, max_in_flight=most)
        self.concurrency = Concurrency(most)
        self._set_limit()

    def has_room(self) -> bool:
        if self.in_flight >= self.limit or (self._pace is not None and not self._is_in_pace(self._pace)):
            return False
        return self._host_cap.admits(self) and self._tenant_cap.admits(self)

    def has_retry_room(self) -> bool:
        """Retries take at most half of the room, so that fresh events are not starved by them."""
        return self.retries_in_flight < max(1, self.limit // 2)

    def has_replay_room(self) -> bool:
        """Replays take a small part of the room, so that live events are not held up by them."""
        return self.replays_in_flight < max(1, self.limit // IN_FLIGHT_PART)

    def looks_itself(self, wake: Callable[[], None]) -> None:
        """The lane will look for room at once, without being woken."""
        self._starved.discard(wake)

    def wake_when_room(self, wake: Callable[[], None]) -> None:
        """Calls `wake` once, at the next chance that there is room."""
        self._starved.add(wake)

    def take(self) -> None:
        """One request starts."""
        self.in_flight += 1
        self._host_cap.take(self)
        self._tenant_cap.take(self)
        if self._pace is not None:
            self._pace.take(self._clock() / SECOND_US)

    def release(self) -> None:
        """One request ended: lanes that found no room may look again."""
        self.in_flight -= 1
        if self._starved:
            self.wake()
        self._host_cap.release()
        self._tenant_cap.release()

    def pass_turns(self) -> None:
        """A lane has looked for something to send and is done: where its turn had come, others may go."""
        self._host_cap.pass_turn(self)
        self._tenant_cap.pass_turn(self)

    def shut(self) -> None:
        """No request starts any more."""
        self.is_open = False
        self._alarm.stop()
        self._set_limit()
        self._host_cap.leave(self)
        self._tenant_cap.leave(self)

    # The subscription's own time

    def now(self) -> Instant:
        """Wall time less all the time in which nothing was due."""
        wall = self._clock()
        return wall - self.health.frozen_us(wall)

    def wall(self, own: Instant | None) -> Instant | None:
        """When it will be `own` by the clock on the wall; None while time stands still."""
        if own is None or self.health.record.frozen_since is not None:
            return None
        return own + self.health.record.frozen_us

    def pass_time(self) -> None:
        """Ends a pause or lets a probe out when it is time."""
        if not self.limit and self.health.pass_time(self._clock()):
            self._health_changed()

    # What comes back

    def took(self, outcome: Outcome, duration_us: int) -> bool:
        """Takes note of an answer; whether the event has spent an attempt on it.

        It has not when the endpoint asks for a pause, or is down: that is not the event's fault.
        """
        if outcome.kind is OutcomeKind.DELIVERED:
            if self.concurrency.succeed(duration_us):
                self._set_limit()
            self._succeeded()
            return True
        if self.concurrency.fail(outcome.http_status):
            self._set_limit()
        if outcome.pause_s is not None:
            self.health.pause(outcome.pause_s, self._clock())
            self._health_changed()
            return False
        if not outcome.counts_against_endpoint:
            self._succeeded()
            return True
        is_spent = self.health.breaker is Breaker.CLOSED
        if self.health.fail(self._clock()):
            self._health_changed()
        return is_spent

    def _succeeded(self) -> None:
        was_probing = self.is_probing
        if self.health.succeed(self._clock()):
            if was_probing:
                self.concurrency.begin_again()
            self._health_changed()

    def _health_changed(self) -> None:
        self.is_health_unsaved = True
        self._set_limit()
        self._alarm.set(self.health.next_change_at, self._clock())
        for wake in self._lanes:  # also those that wait for a time of the subscription's own
            wake()

    def _set_limit(self) -> None:
        self.is_probing = self.health.breaker is Breaker.HALF_OPEN
        if not self.is_open or not self.health.may_send():
            self.limit = 0
        else:
            self.limit = 1 if self.is_probing else int(self.concurrency.allowed)

    def _ring(self) -> None:
        self.pass_time()
        self._alarm.set(self.health.next_change_at, self._clock())
        self.wake()

    def wake(self) -> None:
        """Lanes that found no room may look again."""
        starved, self._starved = self._starved, set()
        for wake in starved:
            wake()

    def _is_in_pace(self, pace: Pace) -> bool:
        now = self._clock()
        wait_s = pace.wait_s(now / SECOND_US)
        if wait_s > 0:
            self._alarm.set(now + round(wait_s * SECOND_US) + 1, now)
            return False
        return True


def activate(
    row: Subscription, sealer: Sealer, rules: AddressRules, origin: str, clock: Clock, random: Random, caps: Caps
) -> ActiveSubscription:
    """Unseals and parses a stored subscription. Raises BadInput where its URL is not allowed (any more)."""
    signing_key = sealer.unseal(row.sealed_signing_secret, purpose=SIGNING_SECRET)
    credentials = _credentials(row, sealer)
    endpoint = Endpoint(
        target=parse_target(row.url, rules),
        rules=rules,
        signing_key=signing_key,
        head=_head(credentials, origin),
        secrets=(*credentials.secrets(), *spellings_of(signing_key)),
    )
    settings = DeliverySettings.from_json(row.delivery)
    health = HealthRecord(
        row.probe_step, row.probe_at_us, row.paused_until_us, row.pauses, row.frozen_us, row.frozen_since_us
    )
    shared = (caps.of_host(endpoint.target.host), caps.of_tenant(row.tenant_id))
    words = (Ordering(row.ordering), settings)
    mode = ContentMode(row.content_mode)
    return ActiveSubscription(row.id, endpoint, *words, health, clock, random, *shared, content_mode=mode)


def _credentials(row: Subscription, sealer: Sealer) -> Credentials:
    sealed = row.sealed_credentials
    return Credentials.decode(sealer.unseal(sealed, purpose=CREDENTIALS)) if sealed else Credentials()


def _head(credentials: Credentials, origin: str) -> bytes:
    lines = [f"user-agent: {USER_AGENT}", f"webhook-request-origin: {origin}"]
    lines += [f"{name}: {value}" for name, value in credentials.headers()]
    return "".join(line + "\r\n" for line in lines).encode("latin-1")

"""How things stand with delivery in this process, in numbers: what the gauges show when somebody looks.

One look goes over all open lanes, about a microsecond each. Nothing is read from the database: lag is the distance to
the heads as they were last seen, which is a quarter of a second ago at most.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.exposure import Exposure
from event_issuer.delivery.health import Breaker
from event_issuer.domain.cursor import Cursor

GAUGES: Final[Mapping[str, str]] = {
    "event_issuer_subscriptions_open": "Subscriptions that this process delivers for.",
    "event_issuer_breakers_open": "Subscriptions whose endpoint failed, so that nothing but probes is sent to it.",
    "event_issuer_subscriptions_paused": "Subscriptions whose endpoint asked for a pause.",
    "event_issuer_lanes_open": "Lanes that this process delivers for.",
    "event_issuer_leases_held": "Partitions that this process may deliver from; 0 while it cannot renew its leases.",
    "event_issuer_in_flight": "Requests to endpoints that are under way.",
    "event_issuer_exposure": "Deliveries that are under way or not yet written down: what a crash would repeat.",
    "event_issuer_exposure_max": "The bound on the exposure.",
    "event_issuer_settling_blocked": "1 while what became of events cannot be written down, so that nothing is sent.",
    "event_issuer_parked_waiting": "Events that failed and wait for another attempt.",
    "event_issuer_lag_events": "Events in the log that are not settled yet, over all lanes but those of replays.",
    "event_issuer_lag_events_max": "The same of the lane that has most of them.",
}


class LaneStanding(Protocol):
    """What a look wants of a lane."""

    subscription: ActiveSubscription
    partition_id: int
    cursor: Cursor
    is_live: bool

    @property
    def in_flight(self) -> int: ...

    @property
    def parked_count(self) -> int: ...


def standing(
    lanes: Iterable[LaneStanding], leases_held: int, exposure: Exposure, head_of: Callable[[int], int | None]
) -> Mapping[str, float]:
    """The values of `GAUGES`. `head_of` gives a partition's next offset, None where it is not known yet."""
    subscriptions: dict[int, ActiveSubscription] = {}
    count = in_flight = parked = lag = lag_max = 0
    for lane in lanes:
        subscriptions[lane.subscription.id] = lane.subscription
        count += 1
        in_flight += lane.in_flight
        parked += lane.parked_count
        if not lane.is_live:
            continue  # a replay ends before the head
        behind = _lag(lane.cursor, head_of(lane.partition_id))
        lag += behind
        lag_max = max(lag_max, behind)
    healths = [subscription.health for subscription in subscriptions.values()]
    broken = sum(health.breaker is not Breaker.CLOSED for health in healths)
    paused = sum(health.record.paused_until is not None for health in healths)
    values = (len(subscriptions), broken, paused, count, leases_held, in_flight, exposure.count, exposure.count_max)
    return dict(zip(GAUGES, (*values, int(exposure.is_shut), parked, lag, lag_max), strict=True))


def _lag(cursor: Cursor, head: int | None) -> int:
    return 0 if head is None else max(0, head - cursor.next_offset - cursor.count_above)

"""What is written down about one event and one subscription, and how an event is found by its producer's names."""

from collections.abc import Sequence

from event_issuer.db.attempts import at_position
from event_issuer.db.tables import Attempt, ParkedEvent
from event_issuer.db.work import Dialect, Statement
from event_issuer.domain.access import Action
from event_issuer.domain.time import Instant


def place(partition_id: int) -> Statement:
    """One row of (event type name, the partition's number), or none."""
    return Statement(
        "SELECT name, number FROM partitions JOIN event_types ON event_types.id = event_type_id "
        "WHERE partitions.id = $1",
        (partition_id,),
    )


def live_lane(subscription_id: int, partition_id: int) -> Statement:
    """One row of (id, start_offset, next_offset, settled_above), or none."""
    return Statement(
        "SELECT id, start_offset, next_offset, settled_above FROM lanes "
        "WHERE subscription_id = $1 AND partition_id = $2 AND replay_id IS NULL",
        (subscription_id, partition_id),
    )


def head_of_key(lane_id: int, partitionkey: str, before_offset: int) -> Statement:
    """One row of (log_offset, followers_from, attempts, next_attempt_at_us, dead_lettered_at_us, last_error): what
    blocks the key for events behind it; or none."""
    return Statement(
        "SELECT log_offset, followers_from, attempts, next_attempt_at_us, dead_lettered_at_us, last_error "
        "FROM parked_events WHERE lane_id = $1 AND partitionkey = $2 AND blocks_key AND log_offset < $3",
        (lane_id, partitionkey, before_offset),
    )


async def parked_at(subscription_id: int, partition_id: int, offset: int) -> list[ParkedEvent]:
    """The event as it is parked in one lane or several."""
    wanted = (ParkedEvent.subscription_id == subscription_id) & (ParkedEvent.partition_id == partition_id)
    return list(await ParkedEvent.objects().where(wanted & (ParkedEvent.log_offset == offset)).order_by(ParkedEvent.id))


async def attempts_at(
    dialect: Dialect, subscription_id: int, partition_id: int, offset: int, count_max: int
) -> list[Attempt]:
    """Those that carried the event, alone or in a batch: the newest `count_max`, the oldest of them first. Looks
    through the subscription's attempts."""
    wanted = (Attempt.subscription_id == subscription_id) & at_position(dialect, partition_id, offset)
    query = Attempt.objects().where(wanted)
    return list(await query.order_by(Attempt.id, ascending=False).limit(count_max))[::-1]


def batch_of(lane_id: int, batch_from: int) -> Statement:
    """One row of (count,): how many parked events wait together in this batch."""
    return Statement(
        "SELECT COUNT(*) FROM parked_events "
        "WHERE lane_id = $1 AND batch_from = $2 AND dead_lettered_at_us IS NULL AND COALESCE(wish, '') <> 'DISCARD'",
        (lane_id, batch_from),
    )


def oldest_attempt(subscription_id: int) -> Statement:
    """One row of (started_at_us,), or none."""
    return Statement(
        "SELECT started_at_us FROM attempts WHERE subscription_id = $1 ORDER BY id LIMIT 1", (subscription_id,)
    )


def has_attempts(subscription_id: int, count: int) -> Statement:
    """One row if the subscription has `count` attempts on record, or more."""
    return Statement(
        "SELECT 1 FROM attempts WHERE subscription_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2",
        (subscription_id, count - 1),
    )


def lease(partition_id: int, now: Instant) -> Statement:
    """One row if a process delivers from the partition."""
    return Statement("SELECT 1 FROM leases WHERE partition_id = $1 AND expires_at_us > $2", (partition_id, now))


def types_of(subscription_id: int) -> Statement:
    """Rows of (event type id, name, audience, tenant id), in order of the name."""
    return Statement(
        "SELECT id, name, audience, tenant_id FROM event_types JOIN subscription_event_types ON event_type_id = id "
        "WHERE subscription_id = $1 ORDER BY name",
        (subscription_id,),
    )


def types(count_max: int) -> Statement:
    """The same for all event types, the newest `count_max`."""
    return Statement("SELECT id, name, audience, tenant_id FROM event_types ORDER BY id DESC LIMIT $1", (count_max,))


def producers(count_max: int) -> Statement:
    """Rows of (tenant id, pattern): which tenants may produce which event types, by their policies."""
    return Statement(
        "SELECT DISTINCT COALESCE(policies.tenant_id, principals.tenant_id) AS tenant, event_type FROM policies "
        f"LEFT JOIN principals ON principals.id = principal_id WHERE action = '{Action.PRODUCE}' "
        "ORDER BY tenant, event_type LIMIT $1",
        (count_max,),
    )


def partitions_of(event_type_ids: Sequence[int]) -> Statement:
    """Rows of (id,), of one type or more."""
    ids = ", ".join(str(int(id_)) for id_ in event_type_ids)
    return Statement(f"SELECT id FROM partitions WHERE event_type_id IN ({ids}) ORDER BY id")

"""Asking for explanations through the API, and as another process than the one that delivers would answer."""

from typing import Any

from event_issuer.app import Issuer
from event_issuer.contracts.catalogue import Catalogue
from event_issuer.contracts.versions import Versions
from event_issuer.db.changes import ChangeFeed
from event_issuer.domain.dataschemas import SchemaUrls
from event_issuer.domain.explaining import Progress
from event_issuer.domain.time import Clock, system_clock
from event_issuer.eventlog.embedded import open_embedded_log
from event_issuer.resolvers.explaining import AttemptHistory, Explaining
from tests.api.partners import Partner

EXPLAIN = """query ($id: ID!, $eventId: ID, $source: String, $cloudEventId: String) {
  explainDelivery(webhookSubscriptionId: $id, eventId: $eventId, source: $source, cloudEventId: $cloudEventId) {
    verdict recorded reason waitsFor waitsUntil event { eventId }
    lane { partition eventOffset startOffset nextOffset headOffset settled unsettledBefore }
    attempts { kind number outcome error timings { dnsMs connectMs tlsMs firstByteMs totalMs } event { eventId } }
    parked { attempts nextAttemptAt deadLetteredAt event { eventId } } } }"""
A_MONTH = AttemptHistory(30 * 24 * 3600, 10_000)


async def explain(partner: Partner, id_: str, event_id: str, source: str = "/banenor/tests") -> Any:
    """By the producer's names for the event."""
    return (await partner.ask(EXPLAIN, id=id_, source=source, cloudEventId=event_id))["explainDelivery"]


async def verdict(partner: Partner, id_: str, event_id: str) -> Any:
    return (await explain(partner, id_, event_id))["verdict"]


async def explained(partner: Partner, id_: str, event_id: str, wanted: str) -> Any:
    """The explanation once it has this verdict; nothing announces a client what delivery does."""
    while (found := await explain(partner, id_, event_id))["verdict"] != wanted:
        pass
    return found


def nothing_in_memory(subscription_id: int, partition_id: int, offset: int) -> Progress:
    return Progress.NONE


async def elsewhere(
    issuer: Issuer,
    clock: Clock = system_clock,
    history: AttemptHistory = A_MONTH,
) -> Explaining:
    """A process that does not deliver, on the same database."""
    database = issuer.database
    feed = ChangeFeed(database, clock)
    log = await open_embedded_log(database, clock, "fresh", cache_bytes_max=1 << 20)
    versions = Versions(feed, SchemaUrls("https://events.example.com"))

    return Explaining(database, log, Catalogue(database, feed), versions, clock, history, nothing_in_memory)

"""What the tests of subscriptions share: endpoints that agree, and waiting for what the delivery service does."""

from typing import Any, Final

from tests.api.partners import Partner
from tests.egress.receiver import OK, Act, answer

AGREES: Final[Act] = answer(b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nContent-Length: 0\r\n\r\n")
TAKES: Final[Act] = answer(OK)

READ = """query ($id: ID!) { webhookSubscription(id: $id) {
  id applicationId eventTypes url status contentMode ordering apiKeyHeader
                            authentication { kind }
  delivery { maxInFlight timeoutSeconds retry { delaysSeconds } }
  lag { events seconds parked deadLettered } errors { errorMessage httpStatusCode } createdAt updatedAt
  attempts { nodes { id kind number eventCount outcome httpStatusCode error responseExcerpt traceId
                     event { eventId } } }
  parkedEvents { nodes { id partitionkey followersWaiting attempts nextAttemptAt deadLetteredAt lastOutcome lastError
                         event { eventId } } } } }"""


async def read(partner: Partner, id_: str) -> Any:
    return (await partner.ask(READ, id=id_))["webhookSubscription"]


async def reached(partner: Partner, id_: str, status: str) -> Any:
    """The subscription once it has this status; asks again and again, since nothing announces it to a client."""
    while True:
        found = await read(partner, id_)
        if found["status"] == status:
            return found


async def settled(partner: Partner, id_: str) -> Any:
    """The subscription once no event is left to settle."""
    while (await read(partner, id_))["lag"]["events"] > 0:
        pass
    return await read(partner, id_)  # anew, because the fields of one answer are read at different moments


async def command(partner: Partner, name: str, id_: str) -> Any:
    """`start`, `stop` or `verify`; its state a moment later, when delivery may have taken the next step already."""
    field = f"{name}WebhookSubscription"
    query = f"mutation ($id: ID!) {{ {field}(id: $id) {{ webhookSubscription {{ status }} }} }}"
    return (await partner.ask(query, id=id_))[field]["webhookSubscription"]["status"]


async def update(partner: Partner, id_: str, **changes: object) -> Any:
    query = """mutation ($input: UpdateWebhookSubscriptionInput!) { updateWebhookSubscription(input: $input) {
      webhookSubscription { applicationId eventTypes url status contentMode ordering apiKeyHeader
                            authentication { kind }
                            delivery { maxInFlight timeoutSeconds retry { delaysSeconds } } } } }"""
    answer = await partner.ask(query, input={"id": id_, **changes})
    return answer["updateWebhookSubscription"]["webhookSubscription"]


async def delete(partner: Partner, id_: str) -> list[str]:
    query = "mutation ($id: ID!) { deleteWebhookSubscription(id: $id) { deletedIds } }"
    deleted: list[str] = (await partner.ask(query, id=id_))["deleteWebhookSubscription"]["deletedIds"]
    return deleted


def header(request: bytes, name: str) -> str | None:
    """A header of a request as the receiver got it."""
    head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
    for line in head.split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name.lower():
            return value.strip()
    return None


def body(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]

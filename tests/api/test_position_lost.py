"""`onPositionLost` through the API: set, shown, unset, and what a subscription says that retention has overtaken."""

from typing import Any

import pytest

from event_issuer.app import Issuer
from event_issuer.db.log import trim
from tests.api.partners import TYPE, Partner, Refused, event
from tests.api.webhooks import TAKES, command, header, reached, settled
from tests.egress.receiver import Receivers

READ = "query ($id: ID!) { webhookSubscription(id: $id) { delivery { onPositionLost maxInFlight } } }"
UPDATE = """mutation ($input: UpdateWebhookSubscriptionInput!) { updateWebhookSubscription(input: $input) {
  webhookSubscription { delivery { onPositionLost maxInFlight } } } }"""
NONE = {"verification": "NONE"}


async def update(partner: Partner, id_: str, delivery: object) -> Any:
    answer = await partner.ask(UPDATE, input={"id": id_, "delivery": delivery})
    return answer["updateWebhookSubscription"]["webhookSubscription"]["delivery"]


async def test_it_is_set_shown_and_unset(operator: Partner) -> None:
    await operator.create_type()
    made = await operator.subscribe("http://127.0.0.1:9/hook", delivery={"onPositionLost": "FAIL"})
    id_ = made["webhookSubscription"]["id"]
    found = (await operator.ask(READ, id=id_))["webhookSubscription"]["delivery"]
    assert found == {"onPositionLost": "FAIL", "maxInFlight": 16}
    assert await update(operator, id_, {"maxInFlight": 3}) == {"onPositionLost": "FAIL", "maxInFlight": 3}
    assert await update(operator, id_, {"onPositionLost": "LATEST"}) == {"onPositionLost": "LATEST", "maxInFlight": 3}
    with pytest.raises(Refused):
        await update(operator, id_, {"onPositionLost": "NEVER"})
    assert await update(operator, id_, {"onPositionLost": None}) == {"onPositionLost": "EARLIEST", "maxInFlight": 3}


async def test_a_stopped_subscription_that_was_overtaken_says_what_it_lost(
    operator: Partner, issuer: Issuer, receivers: Receivers
) -> None:
    await operator.create_type()
    receiver = await receivers(TAKES)
    made = await operator.subscribe(receiver.url, **NONE, startFrom={"at": "EARLIEST"})
    id_ = made["webhookSubscription"]["id"]
    await reached(operator, id_, "RUNNING")
    await command(operator, "stop", id_)
    await reached(operator, id_, "STOPPED")
    await operator.produce(*(event(str(number)) for number in range(5)))
    assert await issuer.database.run(trim(issuer.database.dialect, 1, 3, 10, 10**6)) == 3
    await command(operator, "start", id_)
    await receiver.asked(2)
    found = await settled(operator, id_)
    assert sorted(str(header(request, "ce-id")) for request in receiver.requests) == ["3", "4"]
    assert found["status"] == "RUNNING"
    assert [one["errorMessage"] for one in found["errors"]] == [
        f"The log of {TYPE}, partition 0 begins at offset 3, and the subscription stood at 0: 3 events are lost to it. "
        "It goes on with the first event that is there (onPositionLost: EARLIEST)."
    ]

"""A subscription as the engine delivers for it: unsealed, parsed, with its shared in-flight count.

Built once per change of the subscription; its lanes share it. Knows nothing of the log or of how lanes read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from event_issuer.db.tables import Subscription
from event_issuer.domain.credentials import Credentials
from event_issuer.domain.subscriptions import DeliverySettings, Ordering
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.urls import Target, parse_target
from event_issuer.security.sealing import CREDENTIALS, SIGNING_SECRET, Sealer

USER_AGENT = "event-issuer"


@dataclass(slots=True)
class ActiveSubscription:
    """`head` is the header lines that every request of this subscription carries. Its repr shows no secret."""

    id: int
    target: Target
    rules: AddressRules
    ordering: Ordering
    settings: DeliverySettings
    signing_key: bytes = field(repr=False)
    head: bytes = field(repr=False)
    in_flight: int = 0
    retries_in_flight: int = 0
    is_open: bool = True
    starved: set[Callable[[], None]] = field(default_factory=set, repr=False)

    def has_room(self) -> bool:
        return self.is_open and self.in_flight < self.settings.max_in_flight

    def has_retry_room(self) -> bool:
        """Retries take at most half of the room, so that fresh events are not starved by them."""
        return self.retries_in_flight < max(1, self.settings.max_in_flight // 2)

    def release(self) -> None:
        """One request ended: lanes that found no room may look again."""
        self.in_flight -= 1
        if self.starved:
            starved, self.starved = self.starved, set()
            for wake in starved:
                wake()


def activate(row: Subscription, sealer: Sealer, rules: AddressRules, origin: str) -> ActiveSubscription:
    """Unseals and parses a stored subscription. Raises BadInput where its URL is not allowed (any more)."""
    return ActiveSubscription(
        id=row.id,
        target=parse_target(row.url, rules),
        rules=rules,
        ordering=Ordering(row.ordering),
        settings=DeliverySettings.from_json(row.delivery),
        signing_key=sealer.unseal(row.sealed_signing_secret, purpose=SIGNING_SECRET),
        head=_head(row, sealer, origin),
    )


def _head(row: Subscription, sealer: Sealer, origin: str) -> bytes:
    lines = [f"user-agent: {USER_AGENT}", f"webhook-request-origin: {origin}"]
    if row.sealed_credentials is not None:
        credentials = Credentials.decode(sealer.unseal(row.sealed_credentials, purpose=CREDENTIALS))
        lines += [f"{name}: {value}" for name, value in credentials.headers()]
    return "".join(line + "\r\n" for line in lines).encode("latin-1")

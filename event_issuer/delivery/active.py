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
from event_issuer.security.signing_secrets import spellings_of

USER_AGENT = "event-issuer"


@dataclass(slots=True)
class ActiveSubscription:
    """`head` is the header lines that every request of this subscription carries; `secrets` what no record may
    show. Its repr shows none."""

    id: int
    target: Target
    rules: AddressRules
    ordering: Ordering
    settings: DeliverySettings
    signing_key: bytes = field(repr=False)
    head: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
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
    signing_key = sealer.unseal(row.sealed_signing_secret, purpose=SIGNING_SECRET)
    credentials = _credentials(row, sealer)
    return ActiveSubscription(
        id=row.id,
        target=parse_target(row.url, rules),
        rules=rules,
        ordering=Ordering(row.ordering),
        settings=DeliverySettings.from_json(row.delivery),
        signing_key=signing_key,
        head=_head(credentials, origin),
        secrets=(*credentials.secrets(), *spellings_of(signing_key)),
    )


def _credentials(row: Subscription, sealer: Sealer) -> Credentials:
    sealed = row.sealed_credentials
    return Credentials.decode(sealer.unseal(sealed, purpose=CREDENTIALS)) if sealed else Credentials()


def _head(credentials: Credentials, origin: str) -> bytes:
    lines = [f"user-agent: {USER_AGENT}", f"webhook-request-origin: {origin}"]
    lines += [f"{name}: {value}" for name, value in credentials.headers()]
    return "".join(line + "\r\n" for line in lines).encode("latin-1")

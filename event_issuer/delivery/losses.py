"""What becomes of a parked event that the log no longer has, or has without its data. Knows no lane."""

from typing import Final

from event_issuer.delivery.outcome import Outcome, OutcomeKind

EXPIRED: Final = Outcome(OutcomeKind.REFUSED, error="EXPIRED: retention removed the event before it was delivered.")
EXPUNGED: Final = Outcome(OutcomeKind.REFUSED, error="EXPUNGED: the operator removed the event's data.")

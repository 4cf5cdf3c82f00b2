"""What a process holds of a subscription that it delivers for. Knows neither how it is opened nor when."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from event_issuer.delivery.active import ActiveSubscription
from event_issuer.delivery.lane import Lane


@dataclass(slots=True)
class Opened:
    """`partition_ids` are those of all its lanes, `served` the leases of those that are opened here."""

    subscription: ActiveSubscription
    settings_version: int
    partition_ids: frozenset[int]
    served: Mapping[int, int]
    lanes: list[Lane]
    runs: list["asyncio.Task[None]"]
    is_stale: bool = False

    def shut(self) -> None:
        """No request starts any more."""
        self.subscription.shut()
        for run in self.runs:
            run.cancel()

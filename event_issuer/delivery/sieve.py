"""Sieves: which events of a partition a subscription takes, by its filter and by the schema version it is pinned to.

What a sieve holds back is settled without an attempt and counted. Knows neither lanes nor who asked for it.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from event_issuer.delivery.pins import Pin, Pins
from event_issuer.domain.filters import Filter, parse_filter, why_not
from event_issuer.domain.subscriptions import DeliverySettings
from event_issuer.eventlog.filtering import FilterTable, RecordFilter
from event_issuer.eventlog.protocol import LogRecord

EVALUATED_AT_ONCE: Final = 16  # of a page; data take long to parse, patterns to match, and others want the event loop

logger = structlog.get_logger(__name__)


class Sieve:
    """Of one lane. `filter_` is the subscription's own, `shared` the one that is evaluated in its place."""

    def __init__(
        self, filter_: Filter | None = None, shared: RecordFilter | None = None, pin: Pin | None = None
    ) -> None:
        self._filter, self.shared, self._pin = filter_, shared, pin
        self._ahead: dict[int, bool] = {}  # what the filter said to the records of the last page, by offset

    def takes(self, record: LogRecord) -> bool:
        if self.shared is not None:
            taken = self._ahead.get(record.offset)
            if taken is None:
                taken = self._passes(self.shared, record)
            if not taken:
                return False
        return self._pin is None or self._pin.takes(record)

    async def judge(self, records: Sequence[LogRecord]) -> None:
        """Does beforehand, some at a time, what may take long."""
        shared = self.shared
        if shared is not None and shared.is_heavy:
            self._ahead = {}
            ahead = self._ahead
            for number, record in enumerate(records, 1):
                ahead[record.offset] = self._passes(shared, record)
                if number % EVALUATED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            records = [record for record in records if ahead[record.offset]]
        if self._pin is not None:
            await self._pin.judge(records)

    def why_not(self, record: LogRecord) -> str:
        """Why it is not taken, for its owner: it tells nothing of the event but its place."""
        if self._filter is not None:
            clause = why_not(self._filter, record.event)
            if clause is not None:
                return f"The event at offset {record.offset} does not pass the filter at {clause}"
        version = self._pin.version if self._pin is not None else None
        return f"The event at offset {record.offset} breaks schema version {version}."

    def _passes(self, shared: RecordFilter, record: LogRecord) -> bool:
        try:
            return shared.passes(record)
        except Exception:  # a fault of ours takes no event from anybody
            logger.exception("an event could not be filtered", partition=record.partition_id, offset=record.offset)
            return True


class NarrowedSieve(Sieve):
    """A replay's: of what its subscription takes (`within`; None: everything) those that its own filter takes, too."""

    def __init__(self, filter_: Filter, shared: RecordFilter, within: Sieve | None) -> None:
        super().__init__(filter_, shared)
        self._within = within

    def takes(self, record: LogRecord) -> bool:
        return (self._within is None or self._within.takes(record)) and super().takes(record)

    async def judge(self, records: Sequence[LogRecord]) -> None:
        if self._within is not None:
            await self._within.judge(records)
            records = [record for record in records if self._within.takes(record)]
        await super().judge(records)

    def why_not(self, record: LogRecord) -> str:
        if self._within is not None and not self._within.takes(record):
            return self._within.why_not(record)
        return super().why_not(record)


class Filtered:
    """How many events of a lane were filtered out ever, and which was the last. Written with the lane's cursor, so that
    each is counted once. The words for the last one are found when they are asked for: few of them ever are."""

    __slots__ = ("_last", "_noted", "count")

    def __init__(self, count: int = 0, last: str | None = None) -> None:
        self.count, self._last = count, last
        self._noted: tuple[LogRecord, Sieve] | None = None

    def note(self, record: LogRecord, sieve: Sieve) -> None:
        self.count += 1
        self._noted = (record, sieve)

    @property
    def last(self) -> str | None:
        if self._noted is not None:
            record, sieve = self._noted
            self._last, self._noted = sieve.why_not(record), None
        return self._last


class Sieves:
    """Makes them; equal filters of this process are evaluated once."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
        self.filters = FilterTable()

    async def of(
        self, filter_: Filter | None, settings: DeliverySettings, partition_ids: Sequence[int]
    ) -> Mapping[int, Sieve]:
        """By partition; none where the subscription takes everything.

        Raises Unavailable, and NotFound for a pinned version that a partition's type does not have.
        """
        pins = await self._pins.of(settings.schema_version, partition_ids)
        if filter_ is None:
            return {id_: Sieve(pin=pin) for id_, pin in pins.items()}
        shared = self.filters.shared(filter_)
        return {id_: Sieve(filter_, shared, pins.get(id_)) for id_ in partition_ids}

    def narrowed(self, within: Sieve | None, filter_: Filter | None) -> Sieve | None:
        """For a replay with this filter of a subscription that has this sieve."""
        return within if filter_ is None else NarrowedSieve(filter_, self.filters.shared(filter_), within)


def stored_filter(text: str | None) -> Filter | None:
    """Raises BadInput where the rules have become stricter since it was stored."""
    return None if text is None else parse_filter(json.loads(text))

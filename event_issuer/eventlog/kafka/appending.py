"""Appending a group: what is known already is sorted out, the rest is written, and what is in the log is remembered.

Between the look and the remembering lies the write: a crash there, or two processes at the same moment, may let a
repetition in. Knows no readers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from event_issuer.db import dedupe
from event_issuer.db import kafka_log as sql
from event_issuer.db.database import Database
from event_issuer.db.identity_index import IdentityIndex
from event_issuer.domain import kafka_binding as binding
from event_issuer.domain.errors import OutcomeUnknown
from event_issuer.domain.records import Appended, AppendStatus, NewRecord
from event_issuer.domain.time import Clock
from event_issuer.eventlog.groups import PartlyAppended
from event_issuer.eventlog.kafka.places import Places
from event_issuer.eventlog.kafka.producer import Batch, Producer, Record, batched
from event_issuer.eventlog.protocol import LogRecord

MS_US: Final = 1000

logger = structlog.get_logger(__name__)

Listener: TypeAlias = Callable[[int, list[LogRecord]], None]
"""Called with a partition and records that are in it now, one behind the other."""


@dataclass(slots=True)
class _Fresh:
    """A record on its way, and where its outcome goes."""

    index: int
    record: NewRecord
    timestamp_ms: int

    def outgoing(self, *, structured: bool) -> Record:
        written = binding.to_kafka(self.record.event, self.record.schema_version, structured=structured)
        return self.timestamp_ms, *written


@dataclass(slots=True)
class _Group:
    """One group on its way: what is written by partition, what repeats another record of it, and what came of it."""

    records: Sequence[NewRecord]
    known: dedupe.Known
    fresh: dict[int, list[_Fresh]] = field(default_factory=dict)
    repeats: dict[int, int] = field(default_factory=dict)
    outcomes: dict[int, Appended] = field(default_factory=dict)

    def answers(self) -> list[Appended | None]:
        """One per record; None where nothing is known of it, or of what it repeats."""
        return [self.outcomes.get(index) or self._repeated(index) for index in range(len(self.records))]

    def _repeated(self, index: int) -> Appended | None:
        record = self.records[index]
        if index in self.repeats:
            first = self.outcomes.get(self.repeats[index])
            if first is None:
                return None
            _, partition_id, offset, recorded_at = first
            content = self.records[self.repeats[index]].content_digest
        elif record.identity_digest in self.known:
            content, partition_id, offset, recorded_at = self.known[record.identity_digest]
        else:
            return None
        status = AppendStatus.DUPLICATE if content == record.content_digest else AppendStatus.CONFLICT
        return Appended(status, partition_id, offset, recorded_at)


class Appender:
    """`identities` is this database's index, and nobody else asks it meanwhile."""

    def __init__(
        self,
        database: Database,
        producer: Producer,
        places: Places,
        identities: IdentityIndex,
        clock: Clock,
        on_appended: Listener,
        *,
        structured: bool = False,
    ) -> None:
        self._database, self._producer, self._places = database, producer, places
        self._identities, self._clock, self._on_appended = identities, clock, on_appended
        self._structured = structured
        self._latest_ms: dict[int, int] = {}

    async def append(self, records: Sequence[NewRecord]) -> list[Appended]:
        """One outcome per record. Raises what `EventLog.append` does."""
        places = await self._places.all_of({record.partition_id for record in records})
        asked = [record.identity_digest for record in records if record.identity_digest is not None]
        work = dedupe.known_among(self._database.dialect, self._identities, asked)
        group = _Group(records, await self._database.run(work) if asked else {})
        self._sort_out(group)
        batches = {
            id_: batched(places[id_], [one.outgoing(structured=self._structured) for one in of])
            for id_, of in group.fresh.items()
        }
        try:
            await self._producer.write([batch for of in batches.values() for batch in of])
        except OutcomeUnknown as problem:
            await self._settle(group, batches)  # of what is in the log for sure
            raise PartlyAppended(problem.detail, group.answers()) from None
        await self._settle(group, batches)
        return [answer for answer in group.answers() if answer is not None]  # all of them

    def _sort_out(self, group: _Group) -> None:
        first: dict[bytes, int] = {}
        now_ms = self._clock() // MS_US
        for index, record in enumerate(group.records):
            identity = record.identity_digest
            if identity is not None and identity in group.known:
                continue
            if identity is not None and first.setdefault(identity, index) != index:
                group.repeats[index] = first[identity]
                continue
            time_ms = max(now_ms, self._latest_ms.get(record.partition_id, now_ms))
            group.fresh.setdefault(record.partition_id, []).append(_Fresh(index, record, time_ms))

    async def _settle(self, group: _Group, batches: Mapping[int, Sequence[Batch]]) -> None:
        """Remembers what was acknowledged, and tells of it."""
        entries: list[tuple[object, ...]] = []
        runs: list[list[LogRecord]] = []
        for partition_id, ones in group.fresh.items():
            start = 0
            for batch in batches[partition_id]:
                of_batch = ones[start : start + len(batch.records)]
                start += len(batch.records)
                if batch.base_offset is not None:
                    runs.append(_acknowledged(of_batch, batch, batch.base_offset, group.outcomes, entries))
        try:
            if entries:
                await self._database.run(sql.remember(self._database.dialect, self._identities, entries))
        except Exception:  # the events are in the log, and that is what was asked
            logger.exception("appended events are not remembered; repetitions may get in")
        for run in runs:
            self._latest_ms[run[-1].partition_id] = run[-1].recorded_at // MS_US
            try:
                self._on_appended(run[-1].partition_id, run)
            except Exception:  # a fault of ours, but the events are in the log
                logger.exception("appended events reach readers late")


def _acknowledged(
    ones: Sequence[_Fresh],
    batch: Batch,
    base_offset: int,
    outcomes: dict[int, Appended],
    entries: list[tuple[object, ...]],
) -> list[LogRecord]:
    """The records of a batch that is in the log; their outcomes and what is to be remembered are noted."""
    run: list[LogRecord] = []
    for offset, one in enumerate(ones, base_offset):
        record, id_ = one.record, one.record.partition_id
        recorded_at = MS_US * (one.timestamp_ms if batch.timestamp_ms < 0 else batch.timestamp_ms)
        outcomes[one.index] = Appended(AppendStatus.PERSISTED, id_, offset, recorded_at)
        if record.identity_digest is not None:
            entries.append((record.identity_digest, record.content_digest, id_, offset, recorded_at))
        run.append(LogRecord(id_, offset, recorded_at, record.schema_version, record.event, origin=record.origin))
    return run

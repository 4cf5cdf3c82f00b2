"""Producing: from CloudEvents as JSON, text or parsed, to durable records, one result per event.

A bad event does not stop the good ones, so what is wrong with one is its result, not an exception. Events are read
some at a time and then authorised and judged in turn, so that their parsed data can be forgotten; all are appended at
once. Knows no wire.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from hashlib import blake2b
from typing import Final, TypeAlias

import orjson
from msgspec import Raw

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.contracts.judging import data_violations
from event_issuer.contracts.versions import Versions
from event_issuer.domain.access import Action, Caller
from event_issuer.domain.errors import (
    Conflict,
    ContractBroken,
    Forbidden,
    IssuerError,
    LimitExceeded,
    NotFound,
    OutcomeUnknown,
    Unavailable,
    Violation,
)
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.json_format import read_event
from event_issuer.domain.plain_events import read_plain
from event_issuer.domain.records import DIGEST_BYTES, Appended, AppendStatus, NewRecord, new_record
from event_issuer.domain.time import Instant
from event_issuer.eventlog.protocol import EventLog
from event_issuer.telemetry.metrics import Metrics
from event_issuer.telemetry.traces import NO_TRACES, OpenSpan, SpanKind, Traces


class ProduceStatus(StrEnum):
    PERSISTED = "PERSISTED"
    DUPLICATE = "DUPLICATE"
    POSSIBLY_PERSISTED = "POSSIBLY_PERSISTED"
    REJECTED = "REJECTED"


@dataclass(slots=True)
class Produced:
    """What became of one event. `partition_id` and `offset` are set when it, or the event it repeats, is in the log."""

    index: int
    status: ProduceStatus = ProduceStatus.REJECTED
    event: CloudEvent | None = None
    partition_id: int | None = None
    offset: int | None = None
    recorded_at: Instant | None = None
    schema_version: int | None = None
    problem: IssuerError | None = None
    violations: Sequence[Violation] = ()
    attributes: dict[str, str] = field(default_factory=dict)  # of an event that could not be read: what could

    def reject(self, problem: IssuerError) -> None:
        self.status, self.problem, self.violations = ProduceStatus.REJECTED, problem, problem.violations


class Producing:
    def __init__(
        self,
        log: EventLog,
        catalogue: Catalogue,
        versions: Versions,
        metrics: Metrics | None = None,
        traces: Traces = NO_TRACES,
        *,
        events_max: int,
        data_bytes_max: int,
    ) -> None:
        self._metrics, self._traces = metrics or Metrics(), traces
        self._log, self._catalogue, self._versions = log, catalogue, versions
        self._events_max, self._data_bytes_max = events_max, data_bytes_max

    async def produce(self, caller: Caller, values: Sequence[object], *, tenant: str | None = None) -> list[Produced]:
        """One result per value, in order. `tenant` is the one that the request names, if it names one.

        Raises LimitExceeded, with nothing appended, for too large a batch, and NotFound for a tenant not the caller's.
        """
        caller.authorise_presence()
        judge = partial(data_violations, data_bytes_max=self._data_bytes_max)
        return await self._produce(caller, values, tenant, judge)

    async def produce_tombstone(self, caller: Caller, value: object, *, tenant: str | None = None) -> Produced:
        """The same for one event that says that its key is gone: it has a key and no data. No contract judges it."""
        caller.authorise_presence()
        return (await self._produce(caller, [value], tenant, _judge_tombstone))[0]

    async def _produce(
        self, caller: Caller, values: Sequence[object], tenant: str | None, judge: "Judge"
    ) -> list[Produced]:
        if tenant is not None and tenant != caller.tenant_name:
            raise NotFound(f"There is no tenant {tenant[:NAMED_CHARS]!r} that you may produce for.")
        if len(values) > self._events_max:
            raise LimitExceeded(f"A batch has at most {self._events_max} events, not {len(values)}; send it in parts.")
        span = self._traces.begin("produce", SpanKind.PRODUCER)
        results: list[Produced] = []
        accepted: list[Produced] = []
        records: list[NewRecord] = []
        known, may_produce_from = self._catalogue.known, caller.may_produce_from
        for index, (value, plain) in enumerate(zip(values, read_plain(values), strict=True)):
            result = Produced(index)
            results.append(result)
            try:
                event, document = read_event(value) if plain is None else plain
                attributes = event.attributes
                result.event, result.attributes = event, attributes
                name = attributes["type"]
                entry = known(name) or await self._catalogue.entry(name)
                if entry is None or not may_produce_from(name, attributes["source"]):
                    raise _unauthorised(caller, event, entry)
                if "dataschema" in attributes:
                    entry = await self._versions.named(entry, attributes["dataschema"])
                record = self._accept(caller, event, document, entry, judge)
            except IssuerError as refusal:
                result.reject(refusal)
                if result.event is None:
                    result.attributes = _named(value)
            else:
                result.schema_version = record.schema_version
                accepted.append(result)
                records.append(record)
        if records:
            await self._append(accepted, records, span)
        count_results(self._metrics, results)
        if span is not None:
            span.end(_described(results))
        return results

    def _accept(
        self, caller: Caller, event: CloudEvent, document: object, entry: CatalogueEntry, judge: "Judge"
    ) -> NewRecord:
        """The record of an event that may go into the log; raises what is wrong with it otherwise."""
        violations = judge(entry, event, document)
        if violations:
            raise _broken(violations)
        identity = _identity(caller, entry, event) if entry.deduplicates else None
        return new_record(self._log.partition_of(event, entry.partition_ids), event, entry.version, identity)

    async def _append(
        self, accepted: Sequence[Produced], records: Sequence[NewRecord], within: OpenSpan | None
    ) -> None:
        """Puts the records into the log and what became of them into the results beside them."""
        if within is not None:
            for record in records:
                record.origin = within.name
        span = None if within is None else within.child("append")
        problem: IssuerError | None = None
        try:
            outcomes = await self._log.append(records)
        except OutcomeUnknown as unknown:
            problem = unknown
            for result in accepted:
                result.reject(unknown)
                result.status = ProduceStatus.POSSIBLY_PERSISTED
        except (LimitExceeded, Unavailable) as refusal:
            problem = refusal
            for result in accepted:
                result.reject(refusal)
        else:
            for result, outcome in zip(accepted, outcomes, strict=True):
                _note(result, outcome)
        if span is not None:
            span.end({"messaging.batch.message_count": len(records)}, None if problem is None else problem.code)


Judge: TypeAlias = Callable[[CatalogueEntry, CloudEvent, object], Sequence[Violation]]


def _judge_tombstone(_: CatalogueEntry, event: CloudEvent, __: object) -> Sequence[Violation]:
    found = []
    if event.partitionkey is None:
        found.append(Violation("/partitionkey", "required", "A tombstone has a partitionkey: the key that is gone."))
    if event.data is not None:
        found.append(Violation("", "data", f"A tombstone has no data; this one has {len(event.data)} bytes."))
    return found


def _named(value: object) -> dict[str, str]:
    """The attributes that name an event which could not be read, as far as they could be."""
    if isinstance(value, Raw):
        try:
            value = orjson.loads(bytes(value))
        except orjson.JSONDecodeError:
            return {}
    if not isinstance(value, dict):
        return {}
    named = {name: value.get(name) for name in ("id", "source", "type")}
    return {name: text[:NAMED_CHARS] for name, text in named.items() if isinstance(text, str)}


NAMED_CHARS: Final = 200  # of an attribute that may be what is wrong


def _unauthorised(caller: Caller, event: CloudEvent, entry: CatalogueEntry | None) -> IssuerError:
    """A type that the caller may neither produce nor see looks like one that does not exist."""
    name = event.type[:NAMED_CHARS]
    if entry is not None and caller.may(Action.PRODUCE, entry.name):
        return Forbidden(f"{caller.principal_name} may produce {name}, but not from the source {event.source[:200]!r}.")
    if entry is not None and caller.may_consume(entry.name, entry.audience, entry.tenant_id):
        return Forbidden(f"{caller.principal_name} needs a policy for PRODUCE on {name}.")
    return NotFound(f"There is no event type {name!r} that you may produce.")


def _broken(violations: Sequence[Violation]) -> ContractBroken:
    first = violations[0]
    place = first.path or "the document"
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return ContractBroken(f"{first.message}, at {place}{more}", violations=violations)


def _identity(caller: Caller, entry: CatalogueEntry, event: CloudEvent) -> bytes:
    """What `identity_of` gives; in place, because it is made for each event of a batch."""
    attributes = event.attributes
    name = f"{caller.tenant_id}\0{entry.id}\0{attributes['source']}\0{attributes['id']}"
    return blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()


def _note(result: Produced, outcome: Appended) -> None:
    status, result.partition_id, result.offset, result.recorded_at = outcome
    match status:
        case AppendStatus.PERSISTED:
            result.status = ProduceStatus.PERSISTED
        case AppendStatus.DUPLICATE:
            result.status = ProduceStatus.DUPLICATE
        case AppendStatus.CONFLICT:
            source, id_ = result.attributes["source"], result.attributes["id"]
            result.reject(
                Conflict(
                    f"Another event of source {source[:200]!r} has the id {id_[:200]!r}; an id is never given twice."
                )
            )


def count_results(metrics: Metrics, results: Sequence[Produced]) -> None:
    types = Counter([result.attributes["type"] for result in results if result.status is ProduceStatus.PERSISTED])
    for name, count in types.items():
        metrics.accepted.labels(metrics.event_types.of(name)).inc(count)
    others = [result for result in results if result.status is not ProduceStatus.PERSISTED]
    if not others:
        return
    statuses = Counter([result.status for result in others])
    metrics.duplicates.inc(statuses[ProduceStatus.DUPLICATE])
    metrics.unknown.inc(statuses[ProduceStatus.POSSIBLY_PERSISTED])
    refused = [result.problem for result in others if result.status is ProduceStatus.REJECTED]
    for code, count in Counter([problem.code for problem in refused if problem is not None]).items():
        metrics.refused.labels(code).inc(count)


def _described(results: Sequence[Produced]) -> dict[str, str | int | bool]:
    statuses = Counter([result.status for result in results])
    return {
        "messaging.batch.message_count": len(results),
        **{f"event_issuer.{status.value.lower()}": count for status, count in statuses.items()},
    }

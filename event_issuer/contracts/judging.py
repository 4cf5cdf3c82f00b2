"""Judging events: the one judge of what is produced, and of what reaches the log from outside the API.

The latter is judged once per position, when it is first read, by whichever process reads it; what was found is written
down and holds from then on, whatever the contract becomes. What is no event at all is judged with it: nothing keeps it
out of quarantine. Knows nothing of how events are read or delivered.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from event_issuer.contracts.catalogue import Catalogue, CatalogueEntry
from event_issuer.db import event_types
from event_issuer.db import verdicts as sql
from event_issuer.db.database import Database
from event_issuer.domain.contracts import Contract
from event_issuer.domain.errors import NotFound, Violation
from event_issuer.domain.events import CloudEvent, is_json, read_attributes
from event_issuer.domain.json_format import document_of
from event_issuer.domain.kafka_binding import RecordRules
from event_issuer.domain.time import Clock
from event_issuer.domain.unreadable import Unreadable
from event_issuer.domain.verdicts import Standing, ValidationMode, Verdict
from event_issuer.telemetry.metrics import Metrics

CONTRACT: Final = "CONTRACT"  # as a reason: it is an event, and breaks the contract of its type
STANDINGS: Final = {ValidationMode.ENFORCED: Standing.DEAD_LETTERED, ValidationMode.QUARANTINE: Standing.HELD}

logger = structlog.get_logger(__name__)


class OutsideJudge:
    """Judges what came by another way than the API. `data_bytes_max` is the bound that the API has, too."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        clock: Clock,
        *,
        data_bytes_max: int,
        metrics: Metrics | None = None,
    ) -> None:
        self._database, self._catalogue, self._clock = database, catalogue, clock
        self._data_bytes_max = data_bytes_max
        self._quarantined = (metrics or Metrics()).quarantined

    async def record_rules(self, partition_id: int) -> RecordRules:
        """How records of the partition's topic are read. Raises NotFound, Unavailable."""
        entry = await self._entry_of(partition_id)
        return RecordRules(entry.name, entry.plain_rule, self._data_bytes_max)

    async def verdicts(
        self, partition_id: int, outsiders: Mapping[int, CloudEvent | Unreadable]
    ) -> Mapping[int, Verdict]:
        """The verdicts that hold among these of one partition, by offset. Raises Unavailable."""
        begin, end = min(outsiders), max(outsiders) + 1
        judged = await self._database.read(sql.judged_ranges(partition_id, begin, end))
        fresh = {offset: outsider for offset, outsider in outsiders.items() if not sql.covers(judged, offset)}
        if not fresh:
            return sql.verdicts_in(await self._database.read(sql.verdicts(partition_id, begin, end)))
        entry = await self._entry_of(partition_id)
        findings = self._findings(entry, partition_id, (begin, end), fresh)
        verdicts = await self._database.run(sql.record(self._database.dialect, findings, self._clock()))
        for offset in findings.violations:  # two processes that judge the same at the same moment both count it
            self._quarantined.labels(findings.unreadable.get(offset, CONTRACT)).inc()
        return verdicts

    def _findings(
        self, entry: CatalogueEntry, partition_id: int, range_: sql.Range, fresh: Mapping[int, CloudEvent | Unreadable]
    ) -> sql.Findings:
        """Where the type has nothing judged, what is no event can still go to nobody, and nobody is asked about it."""
        is_judged = entry.validation in STANDINGS
        found = {
            offset: outsider.violations if isinstance(outsider, Unreadable) else self.violations(entry, outsider)
            for offset, outsider in fresh.items()
            if is_judged or isinstance(outsider, Unreadable)
        }
        return sql.Findings(
            entry.id,
            partition_id,
            range_,
            STANDINGS.get(entry.validation, Standing.DEAD_LETTERED),
            entry.version,
            {offset: violations for offset, violations in found.items() if violations},
            {offset: outsider.reason for offset, outsider in fresh.items() if isinstance(outsider, Unreadable)},
        )

    def violations(self, entry: CatalogueEntry, event: CloudEvent) -> Sequence[Violation]:
        """All that is wrong with the event as one of this type. A fault of ours is one of them, not a stalled lane."""
        try:
            return _violations(entry, event, self._data_bytes_max)
        except Exception:
            logger.exception("an event could not be judged", event_type=entry.name)
            return (Violation("", "internal", "The event could not be judged; the fault is ours."),)

    async def _entry_of(self, partition_id: int) -> CatalogueEntry:
        rows = await self._database.read(event_types.partition_type(partition_id))
        entry = await self._catalogue.entry(rows[0][0]) if rows else None
        if entry is None:
            raise NotFound(f"There is no partition {partition_id}.")
        return entry


def _violations(entry: CatalogueEntry, event: CloudEvent, data_bytes_max: int) -> Sequence[Violation]:
    _, found = read_attributes(event.attributes)
    if event.attributes.get("type") != entry.name:
        found.append(Violation("/type", "type", f"The event is in the log of {entry.name}, and says it is another."))
    if found:
        return found
    if event.data is None and event.partitionkey is not None:
        return ()  # a tombstone
    document: object = None
    if event.data is not None and event.has_json_data:
        try:
            document = document_of(event.data)
        except ValueError as problem:
            return (Violation("/data", "data", str(problem)),)
    return data_violations(entry, event, document, data_bytes_max)


def data_violations(
    entry: CatalogueEntry, event: CloudEvent, document: object, data_bytes_max: int
) -> tuple[Violation, ...]:
    """All that is wrong with the data of an event; `document` is what it says. The one judge of producing, too.

    Data that is not JSON is judged as a string, which is what JSON Schema's contentMediaType is about.
    """
    data = event.data
    if data is None:
        return (Violation("", "required", "The event has no data; its contract asks for a document."),)
    if len(data) > data_bytes_max:
        return (Violation("", "size", f"The data has {len(data)} bytes; at most {data_bytes_max} are taken."),)
    if is_json(event.attributes.get("datacontenttype")):  # not the property: this is asked per event of a batch
        return () if entry.contract.accepts(document) else entry.contract.violations(document)
    return () if entry.contract.accepts(event.string) else (_no_string(event), *entry.contract.violations(event.string))


def keeps(contract: Contract, event: CloudEvent) -> bool:
    """Whether the event's data keep the contract. No contract judges a tombstone, which has none."""
    if event.data is None:
        return True
    if not event.has_json_data:
        return contract.accepts(event.string)
    try:
        document = document_of(event.data)
    except ValueError:
        return False
    return contract.accepts(document)


def breach_of(contract: Contract, event: CloudEvent) -> str | None:
    """Why the event's data do not keep the contract, in words; None where they do."""
    if keeps(contract, event) or event.data is None:
        return None
    try:
        document = document_of(event.data) if event.has_json_data else event.string
    except ValueError as problem:
        return str(problem)
    violations = contract.violations(document, limit=1)
    return f"{violations[0].message}, at {violations[0].path or 'the document'}" if violations else None


def _no_string(event: CloudEvent) -> Violation:
    message = (
        f"Data of the type {event.attributes['datacontenttype']!r:.80} is judged as a string; the contract refuses it."
    )
    return Violation("/datacontenttype", "datacontenttype", message)

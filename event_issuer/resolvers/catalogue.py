"""The whole catalogue as one document, of what the caller may see; for anyone, because OPEN types are anyone's to see.

Types are read a page at a time, and other work goes on between the pages. Knows no face.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from event_issuer.db import catalogue as sql
from event_issuer.db import event_types
from event_issuer.db.database import Database
from event_issuer.db.tables import EventType
from event_issuer.domain.access import ANONYMOUS, Action, Audience, Caller
from event_issuer.domain.asyncapi import AsyncApiCatalogue
from event_issuer.domain.catalogue import ListedSchema, ListedType
from event_issuer.domain.errors import LimitExceeded
from event_issuer.domain.paging import PageRequest
from event_issuer.domain.text_search import storable
from event_issuer.domain.xregistry import XRegistryCatalogue

TYPES_AT_ONCE: Final = 100  # building their part of a document takes some milliseconds
VERSIONS_MAX: Final = 5000  # of schemas; what stands around each takes some 1 to 4 KB
CHARACTERS_MAX: Final = 8_000_000  # of schemas and examples; with what stands around them some 30 MB of ASCII
BUILDS_AT_ONCE: Final = 1  # bounds memory and leaves the processor to the rest, whoever asks how often
DEPRECATED: Final = "DEPRECATED"


class DocumentFormat(StrEnum):
    ASYNCAPI = "asyncapi"
    XREGISTRY = "xregistry"


@dataclass(frozen=True, slots=True)
class CatalogueDocument:
    """JSON in UTF-8. `is_public`: what anybody is given, so that caches of all kinds may keep it."""

    body: bytes
    is_public: bool


class _Builder(Protocol):
    def add(self, listed: ListedType) -> None: ...

    def document(self) -> bytes: ...


class CatalogueExport:
    """`public_url` has no slash at its end."""

    def __init__(
        self,
        database: Database,
        public_url: str,
        *,
        versions_max: int = VERSIONS_MAX,
        characters_max: int = CHARACTERS_MAX,
    ) -> None:
        self._database, self._public_url = database, public_url
        self._versions_max, self._characters_max = versions_max, characters_max
        self._building = asyncio.Semaphore(BUILDS_AT_ONCE)

    async def document(self, caller: Caller, format_: DocumentFormat, name_prefix: str = "") -> CatalogueDocument:
        """What the caller may see, of the types whose names begin with `name_prefix`. Raises BadInput, and
        LimitExceeded when it is too large for one document."""
        sees = self._authorise_each(caller)
        open_only = Audience.OPEN if caller is ANONYMOUS else None  # all that nobody sees, so the rest is not read
        criteria = event_types.Criteria(name_prefix=storable(name_prefix), audience=open_only)
        builder, latest_only = self._builder(caller, format_)
        versions = characters = 0
        async with self._building:
            async for rows in _pages(criteria):
                visible = [row for row in rows if sees(row)]
                if not visible:
                    continue
                more = await self._totals(visible, latest_only)
                versions, characters = versions + more[0], characters + more[1]
                self._refuse_beyond(versions, characters)
                for listed in await self._listed(caller, visible, latest_only):
                    builder.add(listed)
            return CatalogueDocument(builder.document(), caller is ANONYMOUS)

    def _authorise_each(self, caller: Caller) -> Callable[[EventType], bool]:
        """Which types this caller may see: the rule of every listing, which has an answer for the anonymous caller."""
        return lambda row: caller.may_see(row.name, Audience(row.audience), row.tenant_id)

    def _builder(self, caller: Caller, format_: DocumentFormat) -> tuple[_Builder, bool]:
        """What builds the document, and whether it shows only the latest version of each schema."""
        if format_ is DocumentFormat.ASYNCAPI:
            return AsyncApiCatalogue(self._public_url, f"/v1/{caller.tenant_name}/produce"), True
        return XRegistryCatalogue(), False

    async def _totals(self, rows: Sequence[EventType], latest_only: bool) -> tuple[int, int]:
        found = await self._database.read(sql.schema_totals([row.id for row in rows], latest_only=latest_only))
        return int(found[0][0]), int(found[0][1])

    def _refuse_beyond(self, versions: int, characters: int) -> None:
        if versions > self._versions_max or characters > self._characters_max:
            raise LimitExceeded(
                f"The catalogue is too large for one document, which has at most {self._versions_max} schema versions "
                f"of {self._characters_max} characters together; ask for parts of it with ?namePrefix=…"
            )

    async def _listed(self, caller: Caller, rows: Sequence[EventType], latest_only: bool) -> list[ListedType]:
        schemas: dict[int, list[ListedSchema]] = defaultdict(list)
        for event_type_id, *schema in await self._database.read(
            sql.schemas_of([row.id for row in rows], latest_only=latest_only)
        ):
            schemas[event_type_id].append(ListedSchema(*schema))
        owners = await self._database.read(sql.tenant_names(sorted({row.tenant_id for row in rows})))
        names = {owner[0]: owner[1] for owner in owners}
        return [_listed(caller, row, names[row.tenant_id], schemas[row.id]) for row in rows]


async def _pages(criteria: event_types.Criteria) -> AsyncIterator[list[EventType]]:
    request, key = PageRequest(TYPES_AT_ONCE - 1), None
    while True:
        rows = await event_types.page(request, key, criteria)
        yield rows
        if len(rows) < request.limit:
            return
        key = rows[-1].name


def _listed(caller: Caller, row: EventType, owner: str, schemas: Sequence[ListedSchema]) -> ListedType:
    uses = caller.uses_of(row.name, Audience(row.audience), row.tenant_id)
    return ListedType(
        name=row.name,
        description=row.description,
        owner=owner,
        audience=Audience(row.audience),
        compatibility=row.compatibility,
        is_deprecated=row.status == DEPRECATED,
        sunset_at=row.sunset_at_us,
        created_at=row.created_at_us,
        may_consume=Action.CONSUME in uses,
        may_produce=Action.PRODUCE in uses,
        schemas=schemas,
    )

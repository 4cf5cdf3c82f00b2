"""One keyset query for every list that is ordered by id."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from piccolo.columns import BigSerial
from piccolo.columns.combination import And, Or, Where
from piccolo.table import Table

from event_issuer.domain.paging import PageRequest, Slice, id_of, sliced

Row = TypeVar("Row", bound=Table)


@dataclass(frozen=True, slots=True)
class ById(Generic[Row]):
    """Rows of `table` for which `wanted` holds, in the order of `id`."""

    table: type[Row]
    id: BigSerial
    wanted: Where | And | Or


async def page_by_id(listed: ById[Row], request: PageRequest) -> Slice[Row]:
    """Raises BadInput for a cursor of another list."""
    query = listed.table.objects().where(listed.wanted)
    after, before = id_of(request.after), id_of(request.before)
    if after is not None:
        query = query.where(listed.id > after)
    if before is not None:
        query = query.where(listed.id < before)
    found = await query.order_by(listed.id, ascending=not request.backwards).limit(request.limit)
    return sliced(list(found), request)

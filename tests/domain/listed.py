"""Event types as the catalogue lists them."""

import json
from collections.abc import Sequence

from event_issuer.domain.access import Audience
from event_issuer.domain.catalogue import ListedSchema, ListedType

NAME = "acme.train.arrived.v1"
CREATED_AT = 1_700_000_000_000_000
DAY_US = 24 * 3600 * 1_000_000


def listed_schema(definition: object, version: int = 1, example: object | None = None) -> ListedSchema:
    """Registered on day `version`."""
    text = None if example is None else json.dumps(example)
    return ListedSchema(version, json.dumps(definition), text, CREATED_AT + version * DAY_US)


def listed_type(
    name: str = NAME,
    schemas: Sequence[ListedSchema] = (listed_schema({"type": "object"}),),
    *,
    owner: str = "acme",
    description: str = "A train has arrived.",
    compatibility: str = "FORWARD",
    is_deprecated: bool = False,
    sunset_at: int | None = None,
    may_consume: bool = True,
    may_produce: bool = False,
) -> ListedType:
    return ListedType(
        name=name,
        description=description,
        owner=owner,
        audience=Audience.OPEN,
        compatibility=compatibility,
        is_deprecated=is_deprecated,
        sunset_at=sunset_at,
        created_at=CREATED_AT,
        may_consume=may_consume,
        may_produce=may_produce,
        schemas=schemas,
    )

"""Schema versions by their number, compiled when they are first asked for and kept while they are used.

A version never changes, so none is ever outdated. The latest version of a type is the catalogue's; these are the ones
that an event or a subscription names.
"""

import asyncio
import json
from collections import OrderedDict
from dataclasses import replace
from typing import Final, TypeAlias

from event_issuer.contracts.catalogue import CatalogueEntry
from event_issuer.db import schemas as sql
from event_issuer.db.changes import ChangeFeed, Topic
from event_issuer.domain.contracts import Contract
from event_issuer.domain.dataschemas import SchemaUrls

CONTRACTS_MAX: Final = 512  # a compiled contract takes some 10 to 100 KiB
MISSING_MAX: Final = 4096  # versions that were asked for and are not there

VersionKey: TypeAlias = tuple[int, int]  # the event type's id and the version's number


class Versions:
    """`urls` are those of the versions, by which an event names the one that judges it."""

    def __init__(self, feed: ChangeFeed, urls: SchemaUrls, *, contracts_max: int = CONTRACTS_MAX) -> None:
        self._urls, self._contracts_max = urls, contracts_max
        self._contracts: OrderedDict[VersionKey, Contract] = OrderedDict()
        self._missing: set[VersionKey] = set()
        self._loading: dict[VersionKey, asyncio.Task[Contract | None]] = {}
        self._generation = 0
        feed.listen(self._note)

    def _note(self, topic: Topic, event_type_id: int) -> None:
        """A version that was not there may be there now."""
        if topic is Topic.EVENT_TYPE:
            self._generation += 1
            self._missing = {key for key in self._missing if key[0] != event_type_id}

    def known(self, event_type_id: int, version: int) -> Contract | None:
        """The contract if it is in memory."""
        key = (event_type_id, version)
        contract = self._contracts.get(key)
        if contract is not None:
            self._contracts.move_to_end(key)
        return contract

    async def contract(self, event_type_id: int, version: int) -> Contract | None:
        """None where the event type has no such version. Raises Unavailable."""
        key = (event_type_id, version)
        contract = self.known(*key)
        if contract is not None or key in self._missing:
            return contract
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._load(key))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)  # one caller that goes away must not take it from the others

    async def named(self, entry: CatalogueEntry, dataschema: str) -> CatalogueEntry:
        """The entry with the version that judges an event of its type: the one that its `dataschema` names, if that is
        a URL of ours, else the latest. Raises ContractBroken where there is none, and Unavailable."""
        version = self._urls.version_in(dataschema, entry.name)
        if version is None or version == entry.version:
            return entry
        contract = await self.contract(entry.id, version)
        if contract is None:
            raise self._urls.broken(dataschema, entry.name)
        return replace(entry, version=version, contract=contract)

    async def _load(self, key: VersionKey) -> Contract | None:
        generation = self._generation
        row = await sql.by_version(*key)
        if row is None:
            if generation == self._generation:  # else it may have been added while we read
                self._miss(key)
            return None
        contract = self._contracts[key] = Contract(json.loads(row.definition))
        if len(self._contracts) > self._contracts_max:
            self._contracts.popitem(last=False)
        return contract

    def _miss(self, key: VersionKey) -> None:
        if len(self._missing) >= MISSING_MAX:
            self._missing.clear()
        self._missing.add(key)

"""Which schema version judges an event: the one that its `dataschema` names, where that is a version of ours, else the
latest. Knows no callers."""

from dataclasses import replace

from event_issuer.contracts.catalogue import CatalogueEntry
from event_issuer.contracts.versions import Versions
from event_issuer.domain.dataschemas import SchemaUrls


class Judges:
    def __init__(self, versions: Versions, urls: SchemaUrls) -> None:
        self._versions, self._urls = versions, urls

    async def named(self, entry: CatalogueEntry, dataschema: str) -> CatalogueEntry:
        """The entry of the event's type with the version that judges. Raises ContractBroken, Unavailable."""
        version = self._urls.version_in(dataschema, entry.name)
        if version is None or version == entry.version:
            return entry
        contract = await self._versions.contract(entry.id, version)
        if contract is None:
            raise self._urls.broken(dataschema, entry.name)
        return replace(entry, version=version, contract=contract)

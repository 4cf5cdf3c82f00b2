"""A comparer in the test's own process, which takes no time and counts."""

from typing import cast

from event_issuer.domain.compatibility import Comparison, CompatibilityMode, compare


class LocalComparer:
    def __init__(self) -> None:
        self.count = 0

    async def compare(self, old: object, new: object, mode: CompatibilityMode) -> Comparison:
        self.count += 1
        return compare(cast(dict[str, object], old), cast(dict[str, object], new), mode)

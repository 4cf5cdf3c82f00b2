"""Versions that were made to keep a comparison busy end by themselves: work is counted, not waited for."""

import time

import pytest

from event_issuer.domain.compatibility import CompatibilityMode, CompatibilityVerdict, compare
from tests.domain.compatibility.hostile import HOSTILE

# Processor time. The slowest one was measured to take 2 s; without the bounds, minutes.
SECONDS_MAX = 10.0
UNDECIDED = {
    "a doubling chain",
    "a longer doubling chain",
    "a large allOf of oneOfs",
    "many dependencies",
    "big multiples",
    "a huge minItems",
    "a huge minLength",
    "a huge minProperties",
    "a huge minContains",
    "a long repetition",
    "unevaluated under many branches",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pair_ends_by_itself(name: str) -> None:
    begun = time.thread_time()
    found = compare(*HOSTILE[name], CompatibilityMode.FULL)
    assert time.thread_time() - begun < SECONDS_MAX
    expected = CompatibilityVerdict.UNDECIDED if name in UNDECIDED else CompatibilityVerdict.INCOMPATIBLE
    assert found.verdict is expected


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_version_may_always_follow_itself_or_is_refused(name: str) -> None:
    old, _ = HOSTILE[name]
    found = compare(old, old | {"title": "again"}, CompatibilityMode.FULL)
    refused = name.endswith("doubling chain")
    assert found.verdict is (CompatibilityVerdict.UNDECIDED if refused else CompatibilityVerdict.COMPATIBLE)

"""The index of identities alone: it misses none, forgets by whole segments, and is hardly ever wrong."""

import random
from collections.abc import Sequence

from event_issuer.db.identity_index import SEGMENT_MIN, IdentityIndex, keys_of


def keys(source: random.Random, count: int) -> list[int]:
    return [source.getrandbits(64) for _ in range(count)]


def filled(index: IdentityIndex, numbers: Sequence[int], places: Sequence[int]) -> None:
    index.add(places, numbers, places[-1], len(places))


def test_a_key_is_the_first_64_bits() -> None:
    assert list(keys_of([bytes(16), b"\x01" + bytes(15)])) in ([0, 1], [0, 1 << 56])
    assert list(keys_of([b"12345678" + bytes(8)])) == list(keys_of([b"12345678" + b"x" * 24]))


def test_every_place_of_every_key_is_found() -> None:
    source = random.Random(1)
    numbers = keys(source, 3 * SEGMENT_MIN)
    numbers[5] = numbers[2 * SEGMENT_MIN] = numbers[7]  # two digests may begin alike
    numbers[9] = 0
    index = IdentityIndex()
    places = range(1, len(numbers) + 1)
    for start in range(0, len(numbers), 1_000):  # as groups come, none as large as a segment
        filled(index, numbers[start : start + 1_000], places[start : start + 1_000])
    assert index.last == len(numbers)
    found = set(index.places(numbers))
    assert found >= set(enumerate(places))
    assert found >= {(5, 8), (7, 6), (7, 2 * SEGMENT_MIN + 1), (2 * SEGMENT_MIN, 6)}
    strangers = keys(source, 10_000)
    assert len(list(index.places(strangers))) < len(strangers) / 20


def test_many_at_once_are_one_segment_and_few_are_looked_for_in_few() -> None:
    numbers = keys(random.Random(2), 3 * SEGMENT_MIN)
    index = IdentityIndex()
    filled(index, numbers[:-1], range(1, len(numbers)))
    index.forget(len(numbers) - 1)  # the last place of the segment is still remembered
    assert (0, 1) in set(index.places(numbers[:1]))
    index.forget(len(numbers))
    assert list(index.places(numbers)) == []
    assert index.last == len(numbers) - 1
    filled(index, numbers[-1:], [len(numbers)])
    assert list(index.places(numbers)) == [(len(numbers) - 1, len(numbers))]


def test_places_may_be_far_apart() -> None:
    index = IdentityIndex()
    filled(index, [11, 22, 33], [1, 1 << 24, 1 << 30])
    assert list(index.places([33, 22, 11])) == [(2, 1), (1, 1 << 24), (0, 1 << 30)]
    index.forget(1 << 24)
    assert list(index.places([33, 22, 11])) == [(1, 1 << 24), (0, 1 << 30)]


def test_a_cleared_index_begins_anew() -> None:
    index = IdentityIndex()
    filled(index, [1], [7])
    index.clear()
    assert (index.last, list(index.places([1]))) == (0, [])

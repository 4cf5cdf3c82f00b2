"""Sharing: which partitions a process claims and which it gives back, so that the living processes hold equally many.

Each process decides for itself, from what it sees in the database. Pure rules; knows no leases, clocks or lanes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

MOVES_MAX: Final = 256  # partitions being given back at a time: their lanes close, the others go on meanwhile


@dataclass(frozen=True, slots=True)
class Share:
    """`claimed` are free partitions to take, `leaving` those held ones that are to be given back; one of them is
    empty."""

    claimed: tuple[int, ...] = ()
    leaving: tuple[int, ...] = ()


def quota(partitions: int, living: int, rank: int) -> int:
    """How many of `partitions` are due to number `rank` (from 0) of `living` processes.

    All quotas together are all partitions, and no two differ by more than one. Where a process joins behind the others
    no quota of theirs grows, where one leaves none shrinks: so what moves is only what has to.
    """
    return (partitions + living - 1 - rank) // living


def fair_share(
    partitions: int, living: int, rank: int, held: Collection[int], free: Collection[int], leaving: Collection[int]
) -> Share:
    """What to claim of `free` and to give back of `held`; `leaving` are those of `held` that are being given back.

    Who holds too many gives back, who holds too few claims. Ids tell who takes which: those of one event type follow
    each other, so dealing them out in turn spreads a busy type.
    """
    missing = quota(partitions, living, rank) - len(held)
    if missing >= 0:
        ranked = sorted(free, key=lambda id_: (id_ % living != rank, id_))
        return Share(claimed=tuple(ranked[:missing]))
    ranked = sorted(held, key=lambda id_: (id_ not in leaving, id_ % living == rank, id_))
    return Share(leaving=tuple(ranked[: min(-missing, MOVES_MAX)]))


def divided(limit: int, here: int, everywhere: int) -> int:
    """The part of a subscription's `limit` of requests at a time that belongs to a process with `here` of its
    `everywhere` lanes. At least 1: the parts together exceed the limit only where there are more processes than it."""
    return max(1, limit * here // everywhere) if everywhere else limit

"""Lost positions: what is lost and where a lane goes on, as a table."""

import pytest

from event_issuer.domain.cursor import Cursor
from event_issuer.domain.position_loss import LogExtent, LossKind, OnPositionLost, position_loss, told

EARLIEST, LATEST, FAIL = OnPositionLost
OVERTAKEN, BEYOND, OTHER = LossKind.OVERTAKEN, LossKind.BEYOND_HEAD, LossKind.OTHER_LOG
HERE = "a"

CASES = [
    # The cursor (next offset, settled above), its log, the log from … to …: what, lost, where it goes on.
    # A good position is none of anybody's business, whatever the policy.
    (0, [], HERE, (0, 0), FAIL, None),
    (5, [], HERE, (5, 9), FAIL, None),
    (9, [], HERE, (5, 9), FAIL, None),
    (9, [], HERE, (9, 9), FAIL, None),
    (9, [], None, (5, 9), FAIL, None),
    # Retention was faster.
    (4, [], HERE, (5, 9), EARLIEST, (OVERTAKEN, 1, (5, "[]"))),
    (0, [], HERE, (5, 9), EARLIEST, (OVERTAKEN, 5, (5, "[]"))),
    (0, [], None, (5, 9), EARLIEST, (OVERTAKEN, 5, (5, "[]"))),
    (0, [], HERE, (9, 9), EARLIEST, (OVERTAKEN, 9, (9, "[]"))),
    (0, [], HERE, (5, 9), LATEST, (OVERTAKEN, 9, (9, "[]"))),
    (0, [], HERE, (5, 9), FAIL, (OVERTAKEN, 5, None)),
    # What was settled above the cursor is not lost, and stays settled.
    (0, [[1, 3]], HERE, (5, 9), EARLIEST, (OVERTAKEN, 3, (5, "[]"))),
    (0, [[1, 3], [4, 7]], HERE, (5, 9), EARLIEST, (OVERTAKEN, 2, (7, "[]"))),
    (0, [[1, 5], [6, 7]], HERE, (5, 9), EARLIEST, (OVERTAKEN, 1, (5, "[[6,7]]"))),
    (0, [[1, 5], [6, 7]], HERE, (5, 9), LATEST, (OVERTAKEN, 4, (9, "[]"))),
    (0, [[1, 5], [6, 7]], HERE, (5, 9), FAIL, (OVERTAKEN, 1, None)),
    # The log ends before the cursor.
    (12, [], HERE, (5, 9), EARLIEST, (BEYOND, 3, (5, "[]"))),
    (12, [[14, 15]], HERE, (5, 9), EARLIEST, (BEYOND, 3, (5, "[]"))),
    (12, [], HERE, (5, 9), LATEST, (BEYOND, 3, (9, "[]"))),
    (1, [], HERE, (0, 0), LATEST, (BEYOND, 1, (0, "[]"))),
    (12, [], HERE, (5, 9), FAIL, (BEYOND, 3, None)),
    # Another log: offsets say nothing.
    (7, [], "b", (5, 9), EARLIEST, (OTHER, None, (5, "[]"))),
    (7, [[8, 9]], "b", (0, 9), EARLIEST, (OTHER, None, (0, "[]"))),
    (7, [], "b", (5, 9), LATEST, (OTHER, None, (9, "[]"))),
    (12, [], "b", (5, 9), FAIL, (OTHER, None, None)),
]


@pytest.mark.parametrize(("next_offset", "ranges", "log_id", "extent", "policy", "expected"), CASES)
def test_what_is_lost_and_where_the_lane_goes_on(
    next_offset: int,
    ranges: list[list[int]],
    log_id: str | None,
    extent: tuple[int, int],
    policy: OnPositionLost,
    expected: tuple[LossKind, int | None, tuple[int, str] | None] | None,
) -> None:
    cursor = Cursor(next_offset, [list(pair) for pair in ranges])
    before = (cursor.next_offset, cursor.settled_above())
    loss = position_loss(log_id, cursor, LogExtent(HERE, *extent), policy)
    assert (cursor.next_offset, cursor.settled_above()) == before
    if expected is None:
        assert loss is None
        return
    assert loss is not None
    place = None if loss.cursor is None else (loss.cursor.next_offset, loss.cursor.settled_above())
    assert (loss.kind, loss.lost, place) == expected
    assert loss.void_from == {OVERTAKEN: None, BEYOND: extent[1], OTHER: 0}[loss.kind]


@pytest.mark.parametrize(
    ("log_id", "next_offset", "policy", "words"),
    [
        (
            HERE,
            2,
            EARLIEST,
            "The log of a.b.v1, partition 0 begins at offset 5, and the subscription stood at 2: 3 events are lost to "
            "it. It goes on with the first event that is there (onPositionLost: EARLIEST).",
        ),
        (
            HERE,
            11,
            LATEST,
            "The log of a.b.v1, partition 0 ends at offset 9, and the subscription stood at 11: the log has lost 2 "
            "events. It goes on behind the last event that is there (onPositionLost: LATEST).",
        ),
        (
            "b",
            7,
            FAIL,
            "The log of a.b.v1, partition 0 is another one than before; how many events are lost is not known. Set "
            "delivery.onPositionLost to EARLIEST or LATEST and verify it again; FAIL stops it here.",
        ),
    ],
)
def test_a_loss_in_words(log_id: str, next_offset: int, policy: OnPositionLost, words: str) -> None:
    cursor, extent = Cursor(next_offset), LogExtent(HERE, 5, 9)
    loss = position_loss(log_id, cursor, extent, policy)
    assert loss is not None
    assert told(loss, "a.b.v1, partition 0", cursor, extent, policy) == words

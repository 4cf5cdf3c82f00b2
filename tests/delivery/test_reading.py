"""Reading with patience: a log that is away, and one that does not show yet what another process has read."""

from event_issuer.delivery.reading import PartitionReader
from event_issuer.domain.errors import Unavailable
from event_issuer.domain.events import CloudEvent
from event_issuer.eventlog.protocol import LogRecord, Page

RECORD = LogRecord(1, 7, 0, None, CloudEvent({}, None))


class Pages:
    """A log that answers in turn."""

    log_id = "pages"

    def __init__(self, *answers: Page | Unavailable) -> None:
        self._answers = list(answers)

    async def read(self, partition_id: int, offset: int) -> Page:
        answer = self._answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer


def reader(*answers: Page | Unavailable) -> PartitionReader:
    return PartitionReader(Pages(*answers), 1, pause_s=0.0)  # type: ignore[arg-type]


async def test_a_lane_waits_while_the_log_is_away() -> None:
    page = Page((RECORD,), 8)
    assert await reader(Unavailable("away"), Unavailable("away"), page).read(7) is page


async def test_a_record_that_another_process_has_read_is_waited_for() -> None:
    """It must not be taken for one that retention removed: it would never be delivered."""
    unseen = Page((), 7)
    assert await reader(unseen, unseen, Page((RECORD,), 8)).record(7) is RECORD


async def test_a_record_that_retention_took_is_not_there() -> None:
    assert await reader(Page((RECORD,), 8)).record(6) is None
    assert await reader(Page((), 9)).record(7) is None

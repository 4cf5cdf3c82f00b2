"""Group commit: appends that arrive while one group is being written are the next group, and share its commit.

A group that fails is written again request by request, so that one bad request cannot fail its neighbours. Not so when
its outcome is unknown: what may have been written is not written again. Knows nothing of SQL or of pages.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_issuer.domain.errors import LimitExceeded, OutcomeUnknown, Unavailable
from event_issuer.domain.records import Appended, NewRecord
from event_issuer.eventlog.protocol import weight_bytes

GROUP_RECORDS_MAX: Final = 1_000  # a commit of 1,000 rows takes some 15 ms: long enough to batch, short enough to wait
GROUP_BYTES_MAX: Final = 8 * 1024 * 1024  # the same, where the events are large
WAITING_RECORDS_MAX: Final = 50_000  # some seconds of work: producers are told rather than kept waiting for longer
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024  # memory that producers may fill before they are told

Write: TypeAlias = Callable[[Sequence[NewRecord]], Awaitable[Sequence[Appended]]]


class PartlyAway(Unavailable):
    """A part of the log cannot be written now; nothing was. Requests for other parts of it can be."""


class PartlyAppended(OutcomeUnknown):
    """`answers`: one per record of the group, None where the outcome is not known. The others' is, and holds."""

    def __init__(self, detail: str, answers: Sequence[Appended | None]) -> None:
        super().__init__(detail)
        self.answers = answers


@dataclass(slots=True)
class _Request:
    records: Sequence[NewRecord]
    weight_bytes: int
    answer: "asyncio.Future[Sequence[Appended]]"

    def refuse(self, problem: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(problem)


class GroupCommit:
    """`write` appends records in one commit. It raises OutcomeUnknown when that may have happened all the same, and
    anything else when nothing was written. A request that is larger than a group is a group of its own."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: deque[_Request] = deque()
        self._waiting_records = 0
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._is_closed = False

    async def append(self, records: Sequence[NewRecord]) -> Sequence[Appended]:
        if self._is_closed:
            raise Unavailable("The service is shutting down; nothing was written.")
        weight = sum(weight_bytes(record.event) for record in records)
        self._refuse_beyond(len(records), weight)
        answer: asyncio.Future[Sequence[Appended]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(records, weight, answer))
        self._waiting_records += len(records)
        self._waiting_bytes += weight
        self._arrived.set()
        return await answer

    def _refuse_beyond(self, count: int, weight_bytes: int) -> None:
        """An empty queue takes any request: how large one may be is for those to say who let it in."""
        too_many = self._waiting_records + count > WAITING_RECORDS_MAX
        if self._waiting and (too_many or self._waiting_bytes + weight_bytes > WAITING_BYTES_MAX):
            raise LimitExceeded(
                f"{self._waiting_records} events of {self._waiting_bytes} bytes wait to be written, at most "
                f"{WAITING_RECORDS_MAX} events and {WAITING_BYTES_MAX} bytes may; try again shortly."
            )

    async def run(self) -> None:
        """Writes groups until cancelled; what is still waiting then, and what comes later, is refused."""
        self._is_closed = False
        try:
            while True:
                await self._arrived.wait()
                await self.step()
        finally:
            self._is_closed = True
            while self._waiting:
                self._waiting.popleft().refuse(Unavailable("The service is shutting down; nothing was written."))
            self._waiting_records = self._waiting_bytes = 0

    async def step(self) -> int:
        """Writes one group; the number of requests it answered."""
        group = self._take_group()
        if not self._waiting:
            self._arrived.clear()
        try:
            if group:
                await self._write_group(group)
        finally:  # cancelled: whatever has no answer yet may have been written
            for request in group:
                request.refuse(OutcomeUnknown("The service is shutting down; the outcome is not known."))
        return len(group)

    def _take_group(self) -> list[_Request]:
        group: list[_Request] = []
        count = weight = 0
        while self._waiting:
            first = self._waiting[0]
            count, weight = count + len(first.records), weight + first.weight_bytes
            if group and (count > GROUP_RECORDS_MAX or weight > GROUP_BYTES_MAX):
                break
            group.append(self._waiting.popleft())
            self._waiting_records -= len(first.records)
            self._waiting_bytes -= first.weight_bytes
        return group

    async def _write_group(self, group: Sequence[_Request]) -> None:
        try:
            await self._write_and_answer(group)
        except PartlyAppended as problem:
            _answer_known(group, problem)
        except OutcomeUnknown as problem:
            for request in group:
                request.refuse(OutcomeUnknown(problem.detail))
        except Exception as problem:
            if len(group) == 1 and isinstance(problem, Unavailable):
                group[0].refuse(problem)
            else:
                await self._write_singly(group)

    async def _write_singly(self, group: Sequence[_Request]) -> None:
        """Once the store is away it is away for the rest, too: they are refused at once, not after a wait for each."""
        is_away = False
        for request in group:
            if is_away:
                request.refuse(Unavailable("The log could not write what came before; nothing was written, try again."))
                continue
            try:
                await self._write_and_answer([request])
            except Exception as problem:
                request.refuse(problem)
                is_away = isinstance(problem, Unavailable) and not isinstance(problem, PartlyAway)

    async def _write_and_answer(self, group: Sequence[_Request]) -> None:
        appended = await self._write([record for request in group for record in request.records])
        start = 0
        for request in group:
            end = start + len(request.records)
            if not request.answer.done():  # its caller has gone
                request.answer.set_result(appended[start:end])
            start = end


def _answer_known(group: Sequence[_Request], problem: PartlyAppended) -> None:
    """A request has its answers if all of them are known."""
    start = 0
    for request in group:
        end = start + len(request.records)
        answers = [answer for answer in problem.answers[start:end] if answer is not None]
        if len(answers) < len(request.records):
            request.refuse(OutcomeUnknown(problem.detail))
        elif not request.answer.done():
            request.answer.set_result(answers)
        start = end

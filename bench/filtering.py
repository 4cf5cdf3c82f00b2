"""`python -m bench.filtering`: what filters cost. One evaluation of each dialect, and a thousand subscriptions' worth.

The event is that of all measurements, 1 KiB of JSON. Each figure is the least of several repetitions, in one process
and with nothing but filters: no log, no lanes, no HTTP. Figures are for this machine; read the ratios.
"""

import argparse
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.traffic import DATA, SOURCE
from event_issuer.delivery.sieve import Sieve
from event_issuer.domain.events import CloudEvent
from event_issuer.domain.filters import parse_filter
from event_issuer.eventlog.filtering import FilterTable, RecordFilter
from event_issuer.eventlog.protocol import LogRecord

SUBSCRIPTIONS: Final = 1_000
RECORDS: Final = 256  # a page

ATTRIBUTES: Final = {
    "specversion": "1.0",
    "id": "a7",
    "source": SOURCE,
    "type": "bench.train-arrived.v1",
    "subject": "4521",
    "time": "2026-11-24T09:17:42.5Z",
    "datacontenttype": "application/json",
    "partitionkey": "train-1",
}

SINGLE: Final[dict[str, object]] = {
    "exact": {"exact": {"subject": "4521"}},
    "prefix": {"prefix": {"source": "/bench/"}},
    "all of 3 exact": {"all": [{"exact": {"subject": "4521"}}, {"exact": {"id": "a7"}}, {"exact": {"source": SOURCE}}]},
    "sql: subject = '4521'": {"sql": "subject = '4521'"},
    "sql: LIKE, IN, AND": {"sql": "source LIKE '/bench/%-2' AND subject IN ('4520', '4521') AND EXISTS time"},
    "sql: a missing attribute": {"sql": "nothing > 3"},
    "data, parsed already": {"data": {"/station": "HMR"}},
}
DIFFERENT: Final[dict[str, Callable[[int], object]]] = {
    "exact": lambda number: {"exact": {"subject": str(number)}},
    "prefix": lambda number: {"prefix": {"subject": f"{number}/"}},
    "sql": lambda number: {"sql": f"subject = '{number}'"},
    "data": lambda number: {"data": {"/trainNumber": str(number)}},
}


def records(count: int) -> list[LogRecord]:
    return [LogRecord(1, offset, 0, 1, CloudEvent(dict(ATTRIBUTES), DATA)) for offset in range(count)]


def sieves(values: Sequence[object], table: FilterTable) -> list[Sieve]:
    filters = [parse_filter(value) for value in values]
    return [Sieve(filter_, table.shared(filter_)) for filter_ in filters]


def per_evaluation(value: object) -> float:
    """Seconds."""
    (record,) = records(1)
    filter_ = RecordFilter(parse_filter(value), FilterTable().documents)
    filter_.passes(record)
    timer = timeit.Timer(lambda: filter_.passes(record))
    number = max(1, timer.autorange()[0] // 4)
    return min(timer.repeat(5, number)) / number


def per_parse() -> float:
    """Seconds, for the data of one event."""
    documents = FilterTable().documents
    fresh = iter(records(5 * RECORDS))
    return min(timeit.repeat(lambda: documents.of(next(fresh)), number=RECORDS, repeat=5)) / RECORDS


def of_subscriptions(values: Sequence[object], record_count: int) -> tuple[float, int]:
    """Seconds per record and subscription, and the evaluations made, when each of them judges a page of fresh ones."""
    best, evaluations = float("inf"), 0
    for _ in range(3):
        table = FilterTable()
        every, page = sieves(values, table), records(record_count)
        best = min(best, timeit.timeit(lambda: _judge(every, page), number=1))  # noqa: B023 - called at once
        evaluations = sum(one.evaluations for one in {id(shared): shared for shared in _shared(every)}.values())
    return best / len(values) / record_count, evaluations


def _judge(every: Sequence[Sieve], page: Sequence[LogRecord]) -> None:
    for sieve in every:
        for record in page:
            sieve.takes(record)


def _shared(every: Sequence[Sieve]) -> Iterator[RecordFilter]:
    return (sieve.shared for sieve in every if sieve.shared is not None)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.filtering", description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=SUBSCRIPTIONS)
    parser.add_argument("--records", type=int, default=RECORDS, help="one page of a busy type")
    options = parser.parse_args(arguments)
    print(f"{'one evaluation':32}{'µs':>10}")
    for name, value in SINGLE.items():
        print(f"  {name:30}{per_evaluation(value) * 1e6:10.2f}")
    print(f"  {'parsing the data, once an event':30}{per_parse() * 1e6:9.2f}")
    print(f"\n{options.subscriptions} subscriptions, {options.records} events of one type")
    print(f"  {'filters':30}{'µs each':>10}{'evaluations':>14}{'per event':>12}")
    for name, made in DIFFERENT.items():
        for words, values in (
            ("different", [made(number) for number in range(options.subscriptions)]),
            ("equal", [made(4521)] * options.subscriptions),
        ):
            seconds, evaluations = of_subscriptions(values, options.records)
            figures = f"{seconds * 1e6:10.3f}{evaluations:14}{evaluations / options.records:12.0f}"
            print(f"  {f'{name}, all {words}':30}{figures}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

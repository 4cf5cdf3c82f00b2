"""What becomes of produced events, counted by the batch."""

from event_issuer.domain.errors import ContractBroken, IssuerError, NotFound, OutcomeUnknown
from event_issuer.resolvers.produce import Produced, ProduceStatus, count_results
from event_issuer.telemetry.metrics import Metrics
from tests.telemetry.scraping import counted, scraped


def result(status: ProduceStatus, type_: str = "a.v1", problem: IssuerError | None = None) -> Produced:
    return Produced(0, status, problem=problem, attributes={"type": type_})


def test_each_result_is_counted_once_by_what_became_of_it() -> None:
    metrics = Metrics()
    count_results(
        metrics,
        [
            *[result(ProduceStatus.PERSISTED)] * 3,
            result(ProduceStatus.PERSISTED, "b.v1"),
            *[result(ProduceStatus.DUPLICATE)] * 2,
            result(ProduceStatus.POSSIBLY_PERSISTED, problem=OutcomeUnknown("no answer")),
            *[result(ProduceStatus.REJECTED, problem=ContractBroken("no"))] * 4,
            result(ProduceStatus.REJECTED, "made-up-by-a-client", problem=NotFound("no such type")),
        ],
    )
    assert counted(scraped(metrics.registry)) == {
        'events_accepted_total{event_type="a.v1"}': 3,
        'events_accepted_total{event_type="b.v1"}': 1,
        "events_duplicate_total": 2,
        "events_outcome_unknown_total": 1,
        'events_refused_total{code="CONTRACT_BROKEN"}': 4,
        'events_refused_total{code="NOT_FOUND"}': 1,
    }


def test_a_batch_that_is_refused_whole_names_no_type() -> None:
    metrics = Metrics()
    count_results(metrics, [result(ProduceStatus.REJECTED, f"type-{n}", NotFound("no")) for n in range(1_000)])
    assert counted(scraped(metrics.registry)) == {'events_refused_total{code="NOT_FOUND"}': 1_000}
    assert metrics.event_types.of("x") == "x"  # nobody has used up the names

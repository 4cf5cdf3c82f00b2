"""Our codec and two SDKs read the same messages and write the same events; each difference is explained.

With `-s` the counts are printed.
"""

from collections.abc import Iterator

import pytest

from tests.interop import javascript_sdk
from tests.interop.comparing import SDKS, Count, Sdk, counts
from tests.interop.differences import DIRECTIONS, KNOWN_OURS, explained
from tests.interop.examples import EXAMPLES
from tests.interop.explained_javascript import ONLY_VALIDATE_REFUSES
from tests.interop.messages import ROW_MESSAGES
from tests.interop.page import EXPLAINED, PAGE, filled
from tests.interop.readings import Differs, Reading, Refused

EXAMPLES_MIN = 40


@pytest.fixture(params=SDKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sdk(name: str) -> Sdk:
    return SDKS[name]()


def test_the_examples_are_many() -> None:
    assert len(EXAMPLES) >= EXAMPLES_MIN


def test_the_recording_was_made_from_what_is_asked_today() -> None:
    recorded = {name: exchange["asked"] for name, exchange in javascript_sdk.recorded()["exchanges"].items()}
    assert recorded == javascript_sdk.questions(), "record anew: python -m tests.interop.record"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_difference_is_explained(name: str, sdk: Sdk, direction: str) -> None:
    differing = {case: differs for case, differs in sdk.compared().items() if differs is not None}
    known = explained(EXPLAINED[name])
    assert known.keys().isdisjoint(KNOWN_OURS[name])
    assert of(direction, differing) == of(direction, {**known, **KNOWN_OURS[name]})


def of(direction: str, cases: dict[str, Differs]) -> dict[str, Differs]:
    return {case: differs for case, differs in cases.items() if case.startswith(f"{direction}: ")}


def test_the_counts(name: str, sdk: Sdk) -> None:
    compared, known = sdk.compared(), explained(EXPLAINED[name])
    found = counts(compared, known)
    for direction, count in found.items():
        figures = ", ".join(f"{figure} {what}" for what, figure in count._asdict().items())
        print(f"\n{sdk.title}, {DIRECTIONS[direction]}: {figures}", end="")
    assert sum(count.cases for count in found.values()) == len(compared)
    assert sum(count.explained for count in found.values()) == len(known)
    assert {count.unexplained for count in found.values()} == {0}


def test_what_is_not_explained_is_counted() -> None:
    compared = {"row: a": None, "row: b": Differs.DATA, "row: c": Differs.DATA, "row: d": Differs.WE_REFUSE}
    known = {"row: b": Differs.DATA, "row: d": Differs.DATA}
    assert counts(compared, known)["row"] == Count(cases=4, equal=1, explained=1, unexplained=2)


def accepted(sdk: Sdk) -> Iterator[tuple[str, Reading]]:
    for name in ROW_MESSAGES:
        reading = sdk.row(name)
        if isinstance(reading, Reading):
            yield name, reading


def test_a_time_is_invented_for_every_event_without_one(name: str, sdk: Sdk) -> None:
    """It is left out of the comparison, since nearly no row has a time."""
    invented = {row for row, reading in accepted(sdk) if "time" in reading.invented}
    without = {row for row, _ in accepted(sdk) if not ROW_MESSAGES[row].has_time}
    replaced = {"core 3.1.2: a leap second at the end of a day"} if name == "JavaScript" else set()
    assert invented == without | replaced


def test_the_javascript_sdk_judges_in_validate_only() -> None:
    refusals = {name: SDKS["JavaScript"]().row(name) for name in ROW_MESSAGES}
    by_validate = {
        f"row: {name}"
        for name, reading in refusals.items()
        if isinstance(reading, Refused) and reading.words.startswith("validate: ")
    }
    assert by_validate == set(ONLY_VALIDATE_REFUSES)


def test_each_sentence_says_what_the_sdk_does_what_we_do_and_what_decides(name: str) -> None:
    for entry in EXPLAINED[name]:
        assert entry.sentence.startswith("The SDK ")
        assert all((entry.does, entry.ours, entry.decides, entry.advice, entry.cases))


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text("utf-8")
    assert text == filled(text), "write its tables anew: python -m tests.interop.page"

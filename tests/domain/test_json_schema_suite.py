"""The JSON-Schema-Test-Suite: what becomes a contract judges as the suite says; the rest is refused for a reason.

`format` is asserted in every dialect, which 2019-09 and 2020-12 leave to the implementation.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.dialects import DEFAULT_DIALECT, DIALECTS
from event_issuer.domain.errors import SchemaInvalid

SUITE = Path(__file__).parent / "json_schema_test_suite"
DRAFTS = {
    "draft2020-12": DEFAULT_DIALECT.uri,
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
}
ANNOTATION_ONLY = "is only an annotation by default"


@dataclass(frozen=True)
class Group:
    file: str
    description: str
    schema: object
    tests: list[tuple[str, object, bool]]


def groups(draft: str) -> Iterator[Group]:
    for line in gzip.decompress((SUITE / f"{draft}.jsonl.gz").read_bytes()).splitlines():
        group = Group(**json.loads(line))
        if isinstance(group.schema, dict):
            group.schema.setdefault("$schema", DRAFTS[draft])
        yield group


def refusal_of(group: Group) -> str | None:
    """The rule that a refused schema broke; None for one that can serve as a contract."""
    try:
        check_definition(group.schema)
    except SchemaInvalid as refusal:
        return refusal.violations[0].rule
    return None


def test_every_dialect_has_its_suite() -> None:
    assert {uri.removesuffix("#") for uri in DRAFTS.values()} == DIALECTS.keys()


@pytest.mark.parametrize("draft", DRAFTS)
def test_contracts_judge_as_the_suite_says(draft: str) -> None:
    wrong, judged = [], 0
    for group in groups(draft):
        if refusal_of(group) is not None:
            continue
        assert isinstance(group.schema, dict)
        contract = Contract(group.schema)
        for description, document, valid in group.tests:
            judged += 1
            expected = valid and not description.endswith(ANNOTATION_ONLY)
            explained = not contract.violations(document)
            if contract.accepts(document) is not expected or explained is not expected:
                wrong.append((group.file, group.description, description))
    assert wrong == []
    assert judged == {"draft2020-12": 1755, "draft2019-09": 1719, "draft7": 1382}[draft]


@pytest.mark.parametrize(
    ("draft", "refusals"),
    [
        ("draft2020-12", {"type": 2, "$id": 33, "$ref": 26, "$schema": 4}),
        ("draft2019-09", {"type": 2, "$id": 30, "$ref": 22, "$schema": 2}),
        ("draft7", {"type": 2, "$id": 15, "$ref": 15}),
    ],
)
def test_what_is_no_contract_is_refused_for_a_reason(draft: str, refusals: dict[str, int]) -> None:
    """Booleans promise nothing; what reaches beyond its document, or is more than one, is not self-contained."""
    found = Counter(rule for group in groups(draft) if (rule := refusal_of(group)) is not None)
    assert found == refusals

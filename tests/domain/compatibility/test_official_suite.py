"""Schemas of the official JSON-Schema-Test-Suite as versions of each other, judged by the suite's own documents."""

import copy
from collections import Counter
from collections.abc import Iterator

from event_issuer.domain.compatibility import CompatibilityMode, CompatibilityVerdict, compare
from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.errors import SchemaInvalid
from tests.domain.compatibility.cases import Schema
from tests.domain.test_json_schema_suite import DRAFTS, groups, refusal_of

EVERY = 4  # of some 1,600 pairs; all of them take a quarter of a minute, and keep the rule too


def versions() -> Iterator[tuple[Schema, Schema, list[object]]]:
    """Each schema, the same without one of its keywords, and the documents that go with it."""
    for draft in DRAFTS:
        for group in groups(draft):
            if refusal_of(group) is None and isinstance(group.schema, dict):
                documents = [document for _, document, _ in group.tests]
                for keyword in group.schema.keys() - {"$schema"}:
                    shorter = copy.deepcopy(group.schema)
                    del shorter[keyword]
                    yield group.schema, shorter, documents


def is_contract(definition: Schema) -> bool:
    try:
        check_definition(definition)
    except SchemaInvalid:
        return False
    return True


def test_no_verdict_contradicts_the_suite() -> None:
    wrong, verdicts = [], Counter[CompatibilityVerdict]()
    chosen = sorted((pair for pair in versions() if is_contract(pair[1])), key=str)[::EVERY]
    for old, new, documents in chosen:
        kept = (Contract(old), Contract(new))
        directions = ((CompatibilityMode.BACKWARD, kept), (CompatibilityMode.FORWARD, (kept[1], kept[0])))
        for mode, (taking, refusing) in directions:
            found = compare(old, new, mode)
            verdicts[found.verdict] += 1
            refuted = [each for each in documents if taking.accepts(each) and not refusing.accepts(each)]
            if found.verdict is CompatibilityVerdict.COMPATIBLE and refuted:
                wrong.append((mode, old, new, refuted))
    assert wrong == []
    assert verdicts.total() == 2 * len(chosen) > 200
    assert verdicts[CompatibilityVerdict.UNDECIDED] < len(chosen) // 10


def test_a_document_is_of_the_version_it_is_valid_in() -> None:
    """The suite's own finding: draft-07's media type is that of the decoded text."""
    draft_07 = "http://json-schema.org/draft-07/schema#"
    both: Schema = {"$schema": draft_07, "contentMediaType": "application/json", "contentEncoding": "base64"}
    one: Schema = {"$schema": draft_07, "contentMediaType": "application/json"}
    found = compare(both, one, CompatibilityMode.FULL)
    assert found.verdict is CompatibilityVerdict.INCOMPATIBLE
    assert {problem.rule for problem in found.problems} == {"contentMediaType", "contentEncoding"}

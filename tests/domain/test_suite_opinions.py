"""The JSON-Schema-Test-Suite judged by contracts and by the `jsonschema` library: the score, and what differs.

The score is printed; `make test ARGS="-s -n0 tests/domain/test_suite_opinions.py"` shows it.
"""

from collections import Counter
from collections.abc import Iterator

import jsonschema
import pytest
import referencing

from event_issuer.domain.contracts import Contract
from tests.domain.test_json_schema_suite import ANNOTATION_ONLY, DRAFTS, Group, groups, refusal_of

VALIDATORS = {
    "draft2020-12": jsonschema.Draft202012Validator,
    "draft2019-09": jsonschema.Draft201909Validator,
    "draft7": jsonschema.Draft7Validator,
}
# File of the suite → why `jsonschema` says something else there. Wherever it does, contracts say what the suite says.
EXPLAINED = {
    "optional/content": "It takes contentEncoding and contentMediaType for annotations, which draft 7 lets one assert.",
    "optional/dependencies-compatibility": "It ignores `dependencies` from 2019-09 on; contracts keep it.",
    "optional/ecmascript-regex": "Its patterns are Python's: other classes of characters, no \\p and no \\c.",
    "optional/format/date-time": "It knows no leap seconds.",
    "optional/format/ecmascript-regex": "Its patterns are Python's, where \\a is an escape.",
    "optional/format/email": "It looks for an @ only.",
    "optional/format/time": "It knows no leap seconds.",
}


def opinion(draft: str, group: Group, document: object) -> bool | None:
    """What `jsonschema` says; None where it raises."""
    validator = VALIDATORS[draft](
        group.schema,
        format_checker=VALIDATORS[draft].FORMAT_CHECKER,
        registry=referencing.Registry(),
    )
    try:
        return bool(validator.is_valid(document))
    except Exception:
        return None


def cases(draft: str) -> Iterator[tuple[Group, Contract, str, object, bool]]:
    for group in groups(draft):
        if refusal_of(group) is None:
            assert isinstance(group.schema, dict)
            contract = Contract(group.schema)
            for description, document, valid in group.tests:
                yield group, contract, description, document, valid and not description.endswith(ANNOTATION_ONLY)


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_difference_from_jsonschema_is_explained(draft: str) -> None:
    judged = right = theirs = 0
    unexplained, differences = [], Counter[str]()
    for group, contract, description, document, expected in cases(draft):
        ours, other = contract.accepts(document), opinion(draft, group, document)
        judged, right, theirs = judged + 1, right + (ours is expected), theirs + (other is expected)
        if ours is not other:
            differences[group.file] += 1
            if ours is not expected or group.file not in EXPLAINED:
                unexplained.append((group.file, group.description, description))
    differ = f"{differences.total()} differ, {len(unexplained)} unexplained"
    print(f"\n{draft}: contracts {right} of {judged}, jsonschema {theirs}; {differ}")
    for file, count in sorted(differences.items()):
        print(f"  {count:3} {file}: {EXPLAINED.get(file)}")
    assert unexplained == []
    assert right == judged


def test_nothing_is_explained_that_does_not_differ() -> None:
    differing = {
        group.file
        for draft in DRAFTS
        for group, contract, _, document, _ in cases(draft)
        if contract.accepts(document) is not opinion(draft, group, document)
    }
    assert differing == EXPLAINED.keys()

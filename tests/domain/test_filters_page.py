"""The page on filters says what filters do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from event_issuer.domain.cesql.cost import LIKE_WORK_MAX
from event_issuer.domain.cesql.parsing import DEPTH_MAX
from event_issuer.domain.errors import BadInput
from event_issuer.domain.filters import CLAUSES_MAX, FILTER_BYTES_MAX, parse_filter, passes
from event_issuer.domain.filters import DEPTH_MAX as LEVELS_MAX
from event_issuer.domain.json_format import event_from_json
from event_issuer.eventlog.filtering import JUDGED_MAX
from event_issuer.resolvers.events import LOOKED_AT_MAX
from event_issuer.resolvers.filters import VERSIONS_LOOKED_AT_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text("utf-8")
EVENT = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
VERDICTS: list[tuple[str, str]] = re.findall(r"^\| `(\{.*\})` \| (yes|no) \|$", PAGE, re.MULTILINE)
REFUSALS: list[tuple[str, str, str]] = re.findall(r"^\| `(\{.*\})` \| `(/.*?)` \| (.*) \|$", PAGE, re.MULTILINE)


def test_the_page_has_examples() -> None:
    assert (len(VERDICTS), len(REFUSALS)) == (18, 7)


@pytest.mark.parametrize(("text", "verdict"), VERDICTS, ids=[text for text, _ in VERDICTS])
def test_the_verdicts(text: str, verdict: str) -> None:
    assert passes(parse_filter(json.loads(text)), event_from_json(EVENT).event) is (verdict == "yes")


@pytest.mark.parametrize(("text", "place", "message"), REFUSALS, ids=[text for text, *_ in REFUSALS])
def test_the_refusals(text: str, place: str, message: str) -> None:
    value: Any = json.loads(text)
    with pytest.raises(BadInput) as refused:
        parse_filter(value)
    assert [(one.path, one.message) for one in refused.value.violations] == [(place, message)]


def test_the_bounds() -> None:
    assert f"at most {FILTER_BYTES_MAX // 1024} KiB as JSON, {LEVELS_MAX} levels of filters" in PAGE
    assert f"{CLAUSES_MAX} comparisons; an expression is at most {DEPTH_MAX} levels deep" in PAGE
    assert f"compare {LIKE_WORK_MAX // 1_000_000} million characters" in PAGE
    assert f"at most {JUDGED_MAX} verdicts are kept" in PAGE
    assert f"At most {VERSIONS_LOOKED_AT_MAX} versions are looked at" in PAGE
    assert f"ends after {LOOKED_AT_MAX:,} events" in PAGE

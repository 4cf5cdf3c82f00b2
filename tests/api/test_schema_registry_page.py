"""`docs/schema-registry.md`: its examples are requests that the API takes."""

import re
from pathlib import Path

from graphql import parse, validate

from event_issuer.domain.subjects import SUBJECT, TOPIC
from event_issuer.egress.registry_session import DEFAULT_LEVEL, REFERENCES_MAX
from event_issuer.graphql.schema import build_schema
from event_issuer.resolvers.importing import SUBJECTS_MAX, ImportOutcome
from event_issuer.resolvers.schema_registries import SECONDS_MAX

PAGE = (Path(__file__).parents[2] / "docs/schema-registry.md").read_text("utf-8")


def test_its_examples_are_requests() -> None:
    examples = re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)
    schema = build_schema()._schema
    assert len(examples) == 4
    assert [problem.message for text in examples for problem in validate(schema, parse(text))] == []


def test_its_bounds_and_words_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    for words in (
        f"one call takes {SUBJECTS_MAX} subjects and waits {SECONDS_MAX:g} seconds",
        f"up to {REFERENCES_MAX} schemas",
        f"{DEFAULT_LEVEL.value} where it does not tell",
        f"`{TOPIC}` is the subject without `-value`, `{SUBJECT}` the whole of it",
    ):
        assert words in text
    table = PAGE.partition("| `outcome` | means |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([A-Z]+)` \|", table, re.MULTILINE) == [one.value for one in ImportOutcome]

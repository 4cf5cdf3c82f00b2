"""What one GraphQL document may ask for, how long it takes to say no, and what is parsed and validated only once."""

import time
from typing import Any, ClassVar

import pytest
import strawberry
from graphql import DocumentNode, get_introspection_query, parse
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from event_issuer.domain.paging import PAGE_SIZE, PAGE_SIZE_MAX
from event_issuer.graphql import limits
from event_issuer.graphql.caches import DocumentCache

FRAGMENTS = 20
AT_ONCE_S = 0.01  # a refusal this quick does not hold up other requests; the exponential way took 1.5 s and more


@strawberry.interface
class Node:
    @strawberry.field
    def children(self, first: int | None = None, last: int | None = None) -> "list[Node]":
        return []


@strawberry.type
class Train(Node):
    number: int = 4521

    @strawberry.field
    def next(self) -> "Train":
        return Train()


@strawberry.type
class Query:
    @strawberry.field
    def train(self) -> Train:
        return Train()


@pytest.fixture
def cache() -> DocumentCache:
    return DocumentCache()


@pytest.fixture
def schema(cache: DocumentCache) -> strawberry.Schema:
    return QuietSchema(Query, types=[Train], extensions=[cache.extension])


class QuietSchema(strawberry.Schema):
    def process_errors(self, *_: Any, **__: Any) -> None:
        pass


def messages(result: ExecutionResult) -> list[str]:
    return [error.message for error in result.errors or ()]


def spread_twice(form: str) -> str:
    """Each fragment spreads the next one twice."""
    chain = " ".join(f"fragment f{n} on Train {{ {form.format(one=n + 1, other=n + 1)} }}" for n in range(FRAGMENTS))
    return f"{{ train {{ ...f0 }} }} {chain} fragment f{FRAGMENTS} on Train {{ number }}"


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("...f{one} ...f{other}", 2**FRAGMENTS + 1),
        ("a: next {{ ...f{one} }} b: next {{ ...f{other} }}", 3 * 2**FRAGMENTS - 1),
    ],
)
async def test_fragments_spread_twice_each_are_refused_at_once(
    schema: strawberry.Schema, form: str, fields: int
) -> None:
    query = spread_twice(form)
    took_s = []
    for _ in range(3):  # the first pays for what is done once per process, and any may meet a garbage collection
        started = time.process_time()
        result = await schema.execute(query)
        took_s.append(time.process_time() - started)
        assert result.data is None
        assert messages(result) == [
            f"The operation asks for {fields} fields, with every page counted in full; at most 25000 are allowed."
        ]
    assert min(took_s) < AT_ONCE_S


@pytest.mark.parametrize(
    "fragments",
    [
        "fragment a on Train { ...a }",
        "fragment a on Train { next { ...b } } fragment b on Train { next { ...a ...a } }",
    ],
)
async def test_a_cycle_of_fragments_is_refused(schema: strawberry.Schema, fragments: str) -> None:
    result = await schema.execute(f"{{ train {{ ...a }} }} {fragments}")
    assert result.data is None
    assert messages(result)[0].startswith("Cannot spread fragment 'a' within itself")


async def test_introspection_passes(schema: strawberry.Schema, cache: DocumentCache) -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    result = await schema.execute(query)
    assert result.errors is None
    assert len(cache) == 1


def size_of(schema: strawberry.Schema, query: str, variables: dict[str, object] | None = None) -> limits.Size:
    document = parse(query)
    (operation,) = limits.operations(document)
    return limits._Measure(schema._schema, document, variables).operation(operation)


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("{ train { number } }", limits.Size(fields=2, depth=2)),
        ("{ a: train { number @skip(if: true) } }", limits.Size(fields=2, depth=2, aliases=1, directives=1)),
        ("query @a { ... on Query @b { train { ...f @c } } } fragment f on Train @d { number }", (2, 2, 0, 4)),
        ("{ train { children(first: 7) { __typename } } }", limits.Size(fields=2 + 7, depth=3)),
        ("{ train { children(last: 7) { ... on Train { number next { number } } } } }", (2 + 7 * 3, 4, 0, 0)),
        ("{ train { children { __typename } } }", limits.Size(fields=2 + PAGE_SIZE, depth=3)),
        ("{ train { children(first: null) { __typename } } }", limits.Size(fields=2 + PAGE_SIZE, depth=3)),
        ("{ train { children(first: 0) { __typename } } }", limits.Size(fields=3, depth=3)),
        ("{ train { children(first: 2000000000) { __typename } } }", (2 + PAGE_SIZE_MAX, 3, 0, 0)),
        ("{ train { children(first: 2, last: 3) { children(first: 5) { __typename } } } }", (2 + 3 * 6, 4, 0, 0)),
        ("{ train { ...f ...f } } fragment f on Node { children(first: 5) { __typename } }", (1 + 2 * 6, 3, 0, 0)),
        ("query ($n: Int) { train { children(first: $n) { __typename } } }", limits.Size(3, 3, varies=True)),
        ("{ unknown { first(first: 5) { x } } ...missing }", limits.Size(fields=3, depth=3)),
    ],
)
def test_the_size_of_a_document(
    schema: strawberry.Schema, query: str, size: limits.Size | tuple[int, int, int, int]
) -> None:
    assert size_of(schema, query) == (size if isinstance(size, limits.Size) else limits.Size(*size))


@pytest.mark.parametrize(
    ("variables", "fields"),
    [({"n": 7}, 9), ({}, 2 + PAGE_SIZE), ({"n": None}, 2 + PAGE_SIZE), ({"n": "7"}, 2 + PAGE_SIZE), ({"n": -1}, 3)],
)
def test_the_size_with_variables(schema: strawberry.Schema, variables: dict[str, object], fields: int) -> None:
    query = "query ($n: Int) { train { children(first: $n) { __typename } } }"
    assert size_of(schema, query, variables) == limits.Size(fields, 3, varies=True)


NESTED_PAGES = "query Trains($n: Int%s) { train { children(first: $n) { children(first: $n) { __typename } } } }"


async def test_a_page_size_from_a_variable_counts_on_each_request(
    schema: strawberry.Schema, cache: DocumentCache
) -> None:
    query = NESTED_PAGES % ""
    too_large = ["The operation asks for 40202 fields, with every page counted in full; at most 25000 are allowed."]
    assert messages(await schema.execute(query, {"n": 100})) == []
    assert messages(await schema.execute(query, {"n": 200})) == too_large
    assert messages(await schema.execute(query, {"n": 100})) == []
    assert messages(await schema.execute(query)) == []
    assert cache.validated == 1


async def test_the_default_of_a_variable_counts(schema: strawberry.Schema) -> None:
    result = await schema.execute(NESTED_PAGES % " = 1000")
    assert result.data is None
    assert messages(result) == [
        "The operation asks for 1001002 fields, with every page counted in full; at most 25000 are allowed."
    ]


def nested(levels: int) -> str:
    return "{ train" + " { next" * (levels - 2) + " { number" + " }" * levels


@pytest.mark.parametrize(
    ("allowed", "refused", "message"),
    [
        (
            nested(limits.DEPTH_MAX),
            nested(limits.DEPTH_MAX + 1),
            "The operation asks for 21 levels of fields; at most 20 are allowed.",
        ),
        (
            "{" + "".join(f" a{n}: __typename" for n in range(limits.ALIASES_MAX)) + " }",
            "{" + "".join(f" a{n}: __typename" for n in range(limits.ALIASES_MAX + 1)) + " }",
            "The operation asks for 101 aliases; at most 100 are allowed.",
        ),
        (
            "{ train {" + " number @skip(if: true)" * limits.DIRECTIVES_MAX + " } }",
            "{ train {" + " number @skip(if: true)" * (limits.DIRECTIVES_MAX + 1) + " } }",
            "The operation asks for 101 directives; at most 100 are allowed.",
        ),
        (
            "{ train { number } }" + "#\n" * limits.COMMENTS_MAX,
            "{ train { number } }" + "#\n" * (limits.COMMENTS_MAX + 1),
            "Syntax Error: Document contains more than 1000 comments. Parsing aborted.",
        ),
        (
            "{ __typename }".ljust(limits.SOURCE_CHARACTERS_MAX),
            "{ __typename }".ljust(limits.SOURCE_CHARACTERS_MAX + 1),
            "Syntax Error: Source contains more than 131072 code points. Parsing aborted.",
        ),
        (
            "{ train { number } }",
            "{ train { " + "number " * (limits.TOKENS_MAX - 4) + "} }",
            "Syntax Error: Document contains more than 4000 tokens. Parsing aborted.",
        ),
        (
            "{ train {" + " ... {" * 90 + " number" + " }" * 92,
            "{ train {" + " ... {" * 110 + " number" + " }" * 112,
            "Selections and fragments are nested too deeply; at most 100 levels are allowed.",
        ),
        (
            "{ train {" + " ... {" * 90 + " number" + " }" * 92,
            "{ train { ...f0 } } fragment f300 on Train { number }"
            + "".join(f" fragment f{n} on Train {{ ...f{n + 1} }}" for n in range(300)),
            "Selections and fragments are nested too deeply; at most 100 levels are allowed.",
        ),
    ],
)
async def test_each_limit_lets_its_bound_pass_and_no_more(
    schema: strawberry.Schema, allowed: str, refused: str, message: str
) -> None:
    assert (await schema.execute(allowed)).errors is None
    result = await schema.execute(refused)
    assert result.data is None
    assert messages(result) == [message]


async def test_an_operation_beside_the_one_that_runs_is_limited_too(schema: strawberry.Schema) -> None:
    query = "query A { train { number } } query B " + nested(limits.DEPTH_MAX + 1)
    result = await schema.execute(query, operation_name="A")
    assert messages(result) == ["The operation asks for 21 levels of fields; at most 20 are allowed."]


async def test_many_fields_of_one_name_are_refused_before_they_hold_up_others(schema: strawberry.Schema) -> None:
    fields = (limits.TOKENS_MAX - 2) // 4
    result = await schema.execute("{" + " train { number }" * fields + " }")
    assert messages(result) == ["Validation aborted."]
    assert messages(await schema.execute("{" + " train { number }" * 100 + " }")) == []


async def test_several_operations_need_a_name(schema: strawberry.Schema) -> None:
    query = "query A { train { number } } query B { b: train { number } }"
    result = await schema.execute(query)
    assert result.data is None
    assert messages(result) == ["The document has 2 operations; operationName must say which one to run."]
    assert (await schema.execute(query, operation_name="B")).data == {"b": {"number": 4521}}


class Hits(SchemaExtension):
    """Tells which document the request was executed with."""

    documents: ClassVar[list[DocumentNode]] = []

    def on_execute(self) -> Any:
        document = self.execution_context.graphql_document
        assert document is not None
        self.documents.append(document)
        yield


async def test_a_document_is_parsed_and_validated_once() -> None:
    cache = DocumentCache()
    schema = strawberry.Schema(Query, extensions=[cache.extension, Hits])
    Hits.documents.clear()
    for n in range(3):
        result = await schema.execute("query ($n: Int) { train { children(first: $n) { __typename } } }", {"n": n})
        assert result.data == {"train": {"children": []}}
    assert (cache.parsed, cache.validated, len(cache)) == (1, 1, 1)
    assert len({id(document) for document in Hits.documents}) == 1
    await schema.execute("{ train { number } }")
    assert (cache.parsed, cache.validated, len(cache)) == (2, 2, 2)


async def test_a_faulty_document_is_not_kept(schema: strawberry.Schema, cache: DocumentCache) -> None:
    for query in ("{ train { colour } }", "{ train", nested(limits.DEPTH_MAX + 1)):
        await schema.execute(query)
        await schema.execute(query)
    assert (cache.parsed, cache.validated, len(cache)) == (6, 4, 0)


async def test_a_long_document_is_executed_and_not_kept() -> None:
    cache = DocumentCache(document_characters_max=30)
    schema = strawberry.Schema(Query, extensions=[cache.extension])
    for query in ("{ train { number } }".ljust(31), "{ train { number } }".ljust(30)):
        assert (await schema.execute(query)).data == {"train": {"number": 4521}}
    assert len(cache) == 1


async def test_the_documents_used_last_are_kept() -> None:
    cache = DocumentCache(characters_max=60)
    schema = strawberry.Schema(Query, extensions=[cache.extension])
    first, second, third = (f"query Q{n} {{ __typename }}".ljust(25) for n in range(3))
    for query in (first, second, first, third, first):
        await schema.execute(query)
    assert (cache.parsed, len(cache)) == (3, 2)
    await schema.execute(second)
    assert (cache.parsed, len(cache)) == (4, 2)

"""The CloudEvents HTTP binding for producers, as any HTTP client speaks it, on both stores."""

import json
from typing import Any

import httpx
import pytest

from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.settings import Settings
from tests.api.partners import TYPE, Partner, Partners

ONE, BATCH = "/v1/banenor/produce", "/v1/banenor/produce/batch"
HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/tios", "ce-type": TYPE}
JSON_HEADERS = {**HEADERS, "content-type": "application/json"}
EVENT: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/tios", "type": TYPE, "data": {"train": "61"}}
LOG = """query ($types: [String!]!) { events(eventTypes: $types) { nodes { eventId schemaVersion cloudEvent } } }"""


class Producer:
    """Speaks HTTP with a key."""

    def __init__(self, http: httpx.AsyncClient, partner: Partner) -> None:
        self._http, self._partner = http, partner

    async def __call__(
        self, path: str, content: bytes = b"", method: str = "POST", **headers: str
    ) -> tuple[int, Any, httpx.Headers]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self._http.request(
            method, path, content=content, headers={"X-API-Key": self._partner.key, **names}
        )
        return response.status_code, response.json(), response.headers

    async def log(self) -> list[Any]:
        nodes: list[Any] = (await self._partner.ask(LOG, types=[TYPE]))["events"]["nodes"]
        return nodes


@pytest.fixture
async def send(http: httpx.AsyncClient, operator: Partner) -> Producer:
    await operator.create_type()
    return Producer(http, operator)


async def test_an_event_in_binary_mode_is_persisted(send: Producer) -> None:
    body = b'{ "train" : "61", "delay": 1e2 }'
    status, answer, headers = await send(ONE, body, **JSON_HEADERS, ce_time="2026-11-24T10:00:00.1234567Z")
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert answer.pop("persistedAt").endswith("Z")
    assert answer == {"id": "1", "time": "2026-11-24T10:00:00.1234567Z", "persistenceStatus": "Persisted"}
    (found,) = await send.log()
    assert found["schemaVersion"] == 1
    assert found["cloudEvent"] == {
        **{name: EVENT[name] for name in ("specversion", "id", "source", "type")},
        "time": "2026-11-24T10:00:00.1234567Z",
        "datacontenttype": "application/json",
        "data": {"train": "61", "delay": 100.0},
    }


@pytest.mark.parametrize("content_type", ["application/cloudevents+json; charset=utf-8", "application/cloudevents"])
async def test_an_event_in_structured_mode_is_persisted_once(send: Producer, content_type: str) -> None:
    for _ in range(2):  # the same again is persisted already
        status, answer, _ = await send(ONE, json.dumps(EVENT).encode(), content_type=content_type)
        assert status == 200
        assert (answer["id"], answer["time"], answer["persistenceStatus"]) == ("1", None, "Persisted")
    assert [found["eventId"] for found in await send.log()] == ["1"]


async def test_the_same_event_in_another_mode_is_the_same(send: Producer) -> None:
    """Structured mode may leave out what binary mode has to say: that the data is JSON."""
    text = json.dumps(EVENT, separators=(",", ":")).encode()
    for body, headers in ((text, {"content-type": "application/cloudevents+json"}), (b'{"train":"61"}', JSON_HEADERS)):
        status, answer, _ = await send(ONE, body, **headers)
        assert (status, answer["persistenceStatus"]) == (200, "Persisted")
    assert [found["eventId"] for found in await send.log()] == ["1"]
    other = {**JSON_HEADERS, "content-type": "application/json; charset=utf-8"}
    assert (await send(ONE, b'{"train":"61"}', **other))[1]["code"] == "CONFLICT"


async def test_a_batch_has_an_answer_for_each(send: Producer) -> None:
    events: list[object] = [
        EVENT,
        {**EVENT, "data": {"train": "62"}},
        {**EVENT, "id": "3", "data": {"train": 7, "speed": 1}},
        "no event",
        {**EVENT, "id": "5"},
    ]
    for content_type in ("application/cloudevents-batch+json", "application/cloudevents-batch", "application/json"):
        status, answers, headers = await send(BATCH, json.dumps(events).encode(), content_type=content_type)
        assert (status, headers["content-type"]) == (200, "application/json")
        assert [(one["id"], one["persistenceStatus"]) for one in answers] == [
            ("1", "Persisted"),
            ("1", "NotPersisted"),
            ("3", "NotPersisted"),
            (None, "NotPersisted"),
            ("5", "Persisted"),
        ]
        assert [one["problem"]["code"] for one in answers[1:4]] == ["CONFLICT", "CONTRACT_BROKEN", "BAD_USER_INPUT"]
        assert {found["path"] for found in answers[2]["problem"]["violations"]} == {"", "/train"}
    assert [found["eventId"] for found in await send.log()] == ["1", "5"]


async def test_an_empty_batch_is_none(send: Producer) -> None:
    status, answers, _ = await send(BATCH, b"[]", content_type="application/cloudevents-batch+json")
    assert (status, answers) == (200, [])


@pytest.mark.parametrize(
    ("headers", "body", "status", "code", "paths"),
    [
        (JSON_HEADERS, b'{"train": 61, "delay": "1"}', 422, "CONTRACT_BROKEN", ["/delay", "/train"]),
        (JSON_HEADERS, b'{"train": "61"', 400, "BAD_USER_INPUT", ["/data"]),
        (JSON_HEADERS, b'{"train": "61", "train": "62"}', 400, "BAD_USER_INPUT", ["/data"]),
        (HEADERS, b"", 422, "CONTRACT_BROKEN", [""]),
        ({**HEADERS, "content-type": "text/plain"}, b"61", 422, "CONTRACT_BROKEN", ["", "/datacontenttype"]),
        ({**JSON_HEADERS, "ce-id": "%FF", "ce-source": ""}, b"{}", 400, "BAD_USER_INPUT", ["/id", "/source"]),
        ({**JSON_HEADERS, "ce-type": "no.such.v1"}, b"{}", 404, "NOT_FOUND", []),
        ({"content-type": "application/cloudevents+json"}, b"[]", 400, "BAD_USER_INPUT", []),
        ({"content-type": "application/cloudevents+avro"}, b"{}", 415, "BAD_USER_INPUT", []),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", 415, "BAD_USER_INPUT", []),
        ({"content-type": "a" * 2000}, b"[]", 415, "BAD_USER_INPUT", []),
        ({**JSON_HEADERS, "content-encoding": "gzip"}, b"{}", 415, "BAD_USER_INPUT", []),
    ],
)
async def test_what_is_refused_is_a_problem_and_changes_nothing(
    send: Producer, headers: dict[str, str], body: bytes, status: int, code: str, paths: list[str]
) -> None:
    answered, problem, response = await send(ONE, body, **headers)
    assert (answered, problem["status"], problem["code"]) == (status, status, code)
    assert response["content-type"] == "application/problem+json"
    assert sorted(found["path"] for found in problem.get("violations", ())) == paths
    assert await send.log() == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/cloudevents-batch+json", b"{}", 400),
        ("application/cloudevents-batch+json", b"[{}", 400),
        ("application/cloudevents-batch+json", b"[" * 100_000, 400),
        ("application/cloudevents+json", b"[]", 415),
        ("application/cloudevents-batch+xml", b"[]", 415),
        ("text/plain", b"[]", 415),
        ("application/json; charset=latin1", b"[]", 415),
    ],
)
async def test_what_is_no_batch_is_refused(send: Producer, content_type: str, body: bytes, status: int) -> None:
    answered, problem, _ = await send(BATCH, body, content_type=content_type)
    assert (answered, problem["code"]) == (status, "BAD_USER_INPUT")


async def test_repeated_headers_are_refused(http: httpx.AsyncClient, operator: Partner, send: Producer) -> None:
    headers = [("X-API-Key", operator.key), *JSON_HEADERS.items()]
    for again, status in (("ce-id", 400), ("content-type", 400)):
        response = await http.post(ONE, content=b'{"train":"61"}', headers=[*headers, (again, "x")])
        assert response.status_code == status
        assert "occurs more than once" in response.json()["detail"]
    assert await send.log() == []


async def test_too_many_events_are_refused_whole(send: Producer, settings: Settings) -> None:
    events = [{**EVENT, "id": str(number)} for number in range(settings.batch_events_max + 1)]
    status, problem, _ = await send(BATCH, json.dumps(events).encode(), content_type="application/json")
    assert (status, problem["code"]) == (429, "LIMIT_EXCEEDED")
    assert await send.log() == []


async def test_a_body_beyond_the_bound_is_refused(send: Producer, settings: Settings) -> None:
    status, problem, _ = await send(ONE, b" " * (settings.body_bytes_max + 1), **JSON_HEADERS)
    assert (status, problem["code"]) == (413, "BAD_USER_INPUT")
    large = json.dumps({"train": "1" * settings.data_bytes_max}).encode()
    status, problem, _ = await send(ONE, large, **JSON_HEADERS)
    assert (status, problem["violations"][0]["rule"]) == (422, "size")


async def test_64_kib_is_always_taken(send: Producer, operator: Partner) -> None:
    await operator.create_type("a.large.v1", schema={"type": "string"})
    large = json.dumps("x" * (64 * 1024 - 2)).encode()
    status, answer, _ = await send(ONE, large, **{**JSON_HEADERS, "ce-type": "a.large.v1"})
    assert (status, answer["persistenceStatus"]) == (200, "Persisted")


async def test_data_that_is_not_json_is_judged_as_a_string(send: Producer, operator: Partner) -> None:
    await operator.create_type("a.image.v1", schema={"type": "string", "contentEncoding": "base64", "maxLength": 8})
    headers = {**HEADERS, "ce-type": "a.image.v1", "content-type": "image/png"}
    status, answer, _ = await send(ONE, b"\x89PNG\r\n", **headers)
    assert (status, answer["persistenceStatus"]) == (200, "Persisted")
    status, problem, _ = await send(ONE, b"\x89PNG\r\n\x1a", **{**headers, "ce-id": "2"})
    assert (status, [found["rule"] for found in problem["violations"]]) == (422, ["datacontenttype", "maxLength"])
    (found,) = (await operator.ask(LOG, types=["a.image.v1"]))["events"]["nodes"]
    assert found["cloudEvent"]["data_base64"] == "iVBORw0K"


async def test_the_tenant_in_the_path_is_the_callers(send: Producer, partners: Partners) -> None:
    for path in ("/v1/vy/produce", "/v1/banenor%00/produce", "/v1/VY/produce"):
        status, problem, _ = await send(path, b'{"train":"61"}', **JSON_HEADERS)
        assert (status, problem["code"]) == (404, "NOT_FOUND")
    stranger = await partners.invite("vy", Policy(Action.PRODUCE, EVERYTHING))
    response = await partners.http.post(
        ONE, content=b'{"train":"61"}', headers={"X-API-Key": stranger.key, **JSON_HEADERS}
    )
    assert response.status_code == 404
    assert await send.log() == []


async def test_a_stranger_is_refused_before_the_body_is_read(http: httpx.AsyncClient, send: Producer) -> None:
    for headers in ({}, {"X-API-Key": "eik_wrong"}):
        for path in (ONE, BATCH):
            response = await http.post(path, content=b"{", headers={**JSON_HEADERS, **headers})
            assert (response.status_code, response.json()["code"]) == (401, "UNAUTHENTICATED")
    assert await send.log() == []


async def test_producing_needs_a_policy(partners: Partners, send: Producer) -> None:
    reader = await partners.invite("banenor", Policy(Action.CONSUME, EVERYTHING), principal="reader")
    response = await partners.http.post(
        ONE, content=b'{"train":"61"}', headers={"X-API-Key": reader.key, **JSON_HEADERS}
    )
    assert (response.status_code, response.json()["code"]) == (403, "FORBIDDEN")
    assert response.json()["persistenceStatus"] == "NotPersisted"
    assert await send.log() == []


async def test_other_methods_are_refused(send: Producer) -> None:
    status, _, headers = await send(ONE, method="PUT")
    assert (status, headers["allow"]) == (405, "DELETE, POST")


async def test_a_tombstone_is_a_record_without_data(send: Producer, operator: Partner) -> None:
    status, answer, _ = await send(ONE, b"", "DELETE", **HEADERS, ce_partitionkey="61")
    assert (status, answer["persistenceStatus"]) == (200, "Persisted")
    tombstone = "mutation ($input: ProduceTombstoneInput!) { produceTombstone(input: $input) { status eventId } }"
    given = {"eventType": TYPE, "partitionkey": "62", "id": "2", "source": "/tios"}
    answered = await operator.ask(tombstone, input=given)
    assert answered == {"produceTombstone": {"status": "PERSISTED", "eventId": "2"}}
    assert [found["cloudEvent"] for found in await send.log()] == [
        {"specversion": "1.0", "id": id_, "source": "/tios", "type": TYPE, "partitionkey": key}
        for id_, key in (("1", "61"), ("2", "62"))
    ]


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        (HEADERS, b"", "/partitionkey"),
        ({**JSON_HEADERS, "ce-partitionkey": "61"}, b'{"train":"61"}', ""),
    ],
)
async def test_a_tombstone_has_a_key_and_no_data(
    send: Producer, headers: dict[str, str], body: bytes, path: str
) -> None:
    status, problem, _ = await send(ONE, body, method="DELETE", **headers)
    assert (status, problem["code"]) == (422, "CONTRACT_BROKEN")
    assert [found["path"] for found in problem["violations"]] == [path]
    assert await send.log() == []


async def test_a_type_may_ask_for_compaction(send: Producer, operator: Partner) -> None:
    made = """mutation ($input: CreateEventTypeInput!) { createEventType(input: $input) { eventType { compacts } } }"""
    for number, given in enumerate(({"compacts": True}, {"compacts": False}, {})):
        spec = {"name": f"a.state-{number}.v1", "description": "State.", "schema": {"type": "object"}, **given}
        answer = await operator.ask(made, input=spec)
        assert answer["createEventType"]["eventType"]["compacts"] is (number == 0)

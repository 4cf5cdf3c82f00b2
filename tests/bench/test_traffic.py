"""The load is what it says: 1 KiB that keeps its contract, new events, verifiable signatures."""

import base64
import json
from itertools import pairwise

import jsonschema_rs
from standardwebhooks import Webhook

from bench.receiver import made_at_us
from bench.traffic import DATA, KEYS, SCHEMA, SECRET, Events, batch_body, post, post_headers, single_body
from event_issuer.domain.json_format import event_from_json


def test_the_data_is_1_kib_and_keeps_its_contract() -> None:
    assert len(DATA) == 1024
    jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True).validate(json.loads(DATA))


def test_a_batch_spreads_new_events_evenly_over_types() -> None:
    body = json.loads(batch_body(Events(["bench.a.v1", "bench.b.v1"], first=10), 4))
    events = body["variables"]["events"]
    assert [event["type"] for event in events] == ["bench.a.v1", "bench.b.v1"] * 2
    assert [event["partitionkey"] for event in events] == ["train-10", "train-11", "train-12", "train-13"]
    assert all(event["data"] == json.loads(DATA) for event in events)
    moments = [int(event["id"].split("-")[0]) for event in events]
    assert all(earlier <= later for earlier, later in pairwise(moments))
    assert [event["id"].split("-")[1] for event in events] == ["10", "11", "12", "13"]


def test_every_event_is_a_well_formed_cloudevent() -> None:
    event = json.loads(single_body(Events(["bench.a.v1"], first=KEYS)))["variables"]["event"]
    found = event_from_json(event)[0]
    assert (found.type, found.partitionkey, found.data) == ("bench.a.v1", "train-0", DATA)


def test_a_post_carries_a_signature_that_verifies() -> None:
    headers = post_headers(7)
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    assert Webhook(secret).verify(DATA, headers) == json.loads(DATA)
    assert headers["webhook-id"] == "msg_bench_7"


def test_a_post_says_when_it_was_made() -> None:
    first, second = (b"POST /hook HTTP/1.1\r\nHost: a\r\n" + post(number) for number in range(2))
    assert 0 < made_at_us(first) <= made_at_us(second)

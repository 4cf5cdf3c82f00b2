"""The catalogue as xRegistry: by the rules of the specification, with every version, whatever came first."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from event_issuer.domain.xregistry import DESCRIPTION_BYTES_MAX, XRegistryCatalogue, entity_id
from tests.domain.listed import CREATED_AT, NAME, listed_schema, listed_type
from tests.domain.xregistry_rules import faults

DRAFT_07 = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
LATER = {"type": "object", "required": ["train"], "properties": {"train": {"$ref": "#/$defs/n"}}, "$defs": {"n": True}}
TYPES = (
    listed_type(schemas=(listed_schema(DRAFT_07), listed_schema(LATER, 2), listed_schema(LATER, 4))),
    listed_type("acme.b.v1", compatibility="NONE", is_deprecated=True),
    listed_type("rail.a.v1", owner="rail", compatibility="FULL_TRANSITIVE", is_deprecated=True, sunset_at=CREATED_AT),
)


def document_of(*types: Any) -> Any:
    catalogue = XRegistryCatalogue()
    for listed in types:
        catalogue.add(listed)
    return json.loads(catalogue.document())


def test_the_document_keeps_the_rules() -> None:
    assert faults(document_of(*TYPES)) == []


def test_an_empty_catalogue_keeps_the_rules() -> None:
    document = document_of()
    assert faults(document) == []
    assert (document["schemagroups"], document["messagegroups"], document["epoch"]) == ({}, {}, 0)


def test_the_order_of_types_does_not_matter() -> None:
    forwards, backwards = (json.dumps(document_of(*types)) for types in (TYPES, TYPES[::-1]))
    assert forwards == backwards


def test_a_type_is_a_schema_with_all_its_versions() -> None:
    document = document_of(*TYPES)
    assert {owner: list(group["schemas"]) for owner, group in document["schemagroups"].items()} == {
        "acme": ["acme.b.v1", NAME],
        "rail": ["rail.a.v1"],
    }
    schema = document["schemagroups"]["acme"]["schemas"][NAME]
    versions = schema["versions"]
    assert [(v["versionid"], v["ancestorid"], v["isdefault"]) for v in versions.values()] == [
        ("1", "1", False),
        ("2", "1", False),
        ("4", "2", True),
    ]
    assert [version["format"] for version in versions.values()] == [
        "JsonSchema/draft-07",
        "JsonSchema/draft/2020-12",
        "JsonSchema/draft/2020-12",
    ]
    assert [version["schema"] for version in versions.values()] == [DRAFT_07, LATER, LATER]
    assert versions["2"]["createdat"] == "2023-11-16T22:13:20.000000Z"
    assert (schema["meta"]["compatibility"], schema["meta"]["epoch"]) == ("forward", 4)


def test_compatibility_and_farewells_are_told() -> None:
    document = document_of(*TYPES)
    metas = [document["schemagroups"]["acme"]["schemas"]["acme.b.v1"]["meta"]]
    metas += [document["schemagroups"]["rail"]["schemas"]["rail.a.v1"]["meta"]]
    metas += [document["messagegroups"]["rail"]["messages"]["rail.a.v1"]["meta"]]
    assert [(meta.get("compatibility"), meta["deprecated"]) for meta in metas] == [
        (None, {}),
        ("full_transitive", {"removal": "2023-11-14T22:13:20.000000Z"}),
        (None, {"removal": "2023-11-14T22:13:20.000000Z"}),
    ]


def test_a_type_is_a_message_in_the_envelope_of_cloudevents() -> None:
    group = document_of(*TYPES)["messagegroups"]["acme"]
    message = group["messages"][NAME]["versions"]["1"]
    assert (group["envelope"], message["envelope"]) == ("CloudEvents/1.0", "CloudEvents/1.0")
    assert message["envelopemetadata"]["type"] == {"type": "string", "value": NAME, "required": True}
    assert message["dataschemaxid"] == f"/schemagroups/acme/schemas/{NAME}/versions/4"
    assert (message["name"], message["description"]) == (NAME, "A train has arrived.")


def test_long_names_and_descriptions_are_cut() -> None:
    names = ["a." + "b" * 126, "a." + "b" * 127, "a." + "b" * 198, "a." + "b" * 197 + "c"]
    ids = [entity_id(name) for name in names]
    assert ids[0] == names[0]
    assert [len(id_) for id_ in ids] == [128] * 4
    assert len(set(ids)) == 4
    document = document_of(*(listed_type(name, description="å" * 4096) for name in names))
    assert faults(document) == []
    described = document["schemagroups"]["acme"]["schemas"][ids[3]]["versions"]["1"]
    assert (described["name"], described["description"]) == (names[3], "å" * 2041 + "…")
    assert len(described["description"].encode()) == DESCRIPTION_BYTES_MAX


BREAKS: list[tuple[Callable[[Any], object], str]] = [
    (lambda d: d.pop("registryid"), "/: registryid is missing"),
    (lambda d: d.update(schemagroupscount=3), "/schemagroups: its count is 3"),
    (lambda d: d["schemagroups"]["acme"].update(self="#/a"), "/schemagroups/acme: it says that it is #/a and"),
    (lambda d: resource(d).update(name="x"), "a default Version's name is repeated"),
    (lambda d: resource(d)["meta"].update(compatibility="none"), "no compatibility is called 'none'"),
    (lambda d: resource(d)["meta"].update(defaultversionid="2"), "the default Version is elsewhere"),
    (lambda d: resource(d)["versions"]["4"].update(format="JsonSchema/draft-07x"), "the schema is not in"),
    (lambda d: resource(d)["versions"]["1"].update(format="JsonSchema/draft/2020-12"), "the schema is not in"),
    (lambda d: resource(d)["versions"]["2"].update(ancestorid="3"), "it has no ancestor 3"),
    (lambda d: resource(d)["versions"]["2"].update(ancestorid="2"), "not just the oldest Version is a root"),
    (lambda d: resource(d)["versions"]["2"].update(modifiedat="2023-11-16T22:13:20+01:00"), "is no time in UTC"),
    (lambda d: resource(d)["versions"]["2"].update(formatvalidated=True), "formatvalidated must not be there"),
    (lambda d: d["messagegroups"]["acme"].update(envelope="SOAP/1.2"), "its envelope is not its group's"),
]


def resource(document: Any) -> Any:
    return document["schemagroups"]["acme"]["schemas"][NAME]


@pytest.mark.parametrize(("spoil", "complaint"), BREAKS)
def test_a_broken_rule_is_found(spoil: Callable[[Any], object], complaint: str) -> None:
    document = document_of(*TYPES)
    spoil(document)
    assert any(complaint in fault for fault in faults(document))

"""The attributes of CloudEvents: every rule of core 1.0.2 with exact values, and what a refusal says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.errors import BadInput, Violation
from event_issuer.domain.events import (
    ATTRIBUTES_LENGTH_MAX,
    ATTRIBUTES_MAX,
    NAME_LENGTH_MAX,
    REQUIRED,
    VALUE_LENGTH_MAX,
    CloudEvent,
)
from event_issuer.domain.json_format import event_from_json
from tests.domain.examples import ATTRIBUTES, MEMBERS, event, members, texts


def refused(value: object) -> BadInput:
    with pytest.raises(BadInput) as raised:
        event_from_json(value)
    return raised.value


def only_violation(value: object) -> Violation:
    refusal = refused(value)
    (found,) = refusal.violations
    assert refusal.detail == f"The CloudEvent is not well formed: {found.message}"
    return found


def test_an_event_is_what_it_was_given_and_nothing_more() -> None:
    read, document = event_from_json(MEMBERS)
    assert read == CloudEvent(ATTRIBUTES, None)
    assert document is None
    assert (read.id, read.source, read.type) == ("7f3a", "/banenor/tios", "cloud.open.operational.train-arrived.v1")
    assert read.partitionkey is None
    assert (read.has_json_data, read.text) == (True, None)


def test_a_full_event_keeps_its_attributes_in_their_order() -> None:
    given_members = members(
        time="2026-03-01T12:34:56.1234567+01:00",
        subject="4711/OSL",
        datacontenttype="application/json; charset=utf-8",
        dataschema="https://issuer.example/v1/schemas/a.b/1#top",
        partitionkey="4711",
        severity=3,
        data={"train": 4711},
    )
    read, document = event_from_json(given_members)
    assert list(read.attributes.items()) == [
        *ATTRIBUTES.items(),
        ("time", "2026-03-01T12:34:56.1234567+01:00"),
        ("subject", "4711/OSL"),
        ("datacontenttype", "application/json; charset=utf-8"),
        ("dataschema", "https://issuer.example/v1/schemas/a.b/1#top"),
        ("partitionkey", "4711"),
        ("severity", "3"),
    ]
    assert (read.data, document, read.partitionkey) == (b'{"train":4711}', {"train": 4711}, "4711")


@pytest.mark.parametrize(
    ("value", "found"),
    [([MEMBERS], "an array"), ("{}", "a string"), (None, "null"), (7, "a number"), (True, "a boolean")],
)
def test_an_event_is_an_object(value: object, found: str) -> None:
    refusal = refused(value)
    assert (refusal.detail, refusal.violations) == (f"A CloudEvent is a JSON object, not {found}.", ())


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("is_null", [True, False])
def test_a_missing_attribute_is_not_invented(name: str, is_null: bool) -> None:
    value = {member: found for member, found in MEMBERS.items() if member != name}
    if is_null:
        value[name] = None
    assert only_violation(value) == Violation(f"/{name}", "required", f"The attribute {name} is missing.")


def test_null_means_unset() -> None:
    assert event(time=None, subject=None, severity=None, NoName=None) == event()


def test_every_violation_is_found() -> None:
    refusal = refused({"specversion": "0.3", "id": "", "source": "a b", "time": "noon", "data": float("nan")})
    assert [(found.path, found.rule) for found in refusal.violations] == [
        ("/specversion", "attribute"),
        ("/id", "attribute"),
        ("/source", "attribute"),
        ("/time", "attribute"),
        ("/type", "required"),
    ]
    assert refusal.detail == 'The CloudEvent is not well formed: specversion is 1.0, not "0.3". (and 4 more)'


@pytest.mark.parametrize("name", ["id", "type", "subject", "partitionkey"])
def test_texts_are_not_empty(name: str) -> None:
    expected = Violation(f"/{name}", "attribute", f"The attribute {name} is not empty when it is present.")
    assert only_violation(members(**{name: ""})) == expected


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion", "time", "subject", "partitionkey"])
@pytest.mark.parametrize(
    ("value", "found"),
    [(1, "a number"), (1.0, "a number"), (True, "a boolean"), ({}, "an object"), (["1.0"], "an array")],
)
def test_defined_attributes_are_strings(name: str, value: object, found: str) -> None:
    message = f"The attribute {name} is a string, not {found}."
    assert only_violation(members(**{name: value})) == Violation(f"/{name}", "attribute", message)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(2**31), "-2147483648"),
        (2**31 - 1, "2147483647"),
        ("", ""),
        ("Bjørnstjerne \U0001f686 \u00a0\ue000", "Bjørnstjerne \U0001f686 \u00a0\ue000"),
    ],
)
def test_extensions_take_their_canonical_form(value: object, canonical: str) -> None:
    assert event(ext=value).attributes["ext"] == canonical


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2**31, '"2147483648"'),
        (-(2**31) - 1, '"-2147483649"'),
        (1.0, '"1.0"'),
        ({"a": "secret"}, "an object"),
        ([], "an array"),
    ],
)
def test_other_types_of_extensions_are_refused(value: object, shown: str) -> None:
    message = f"The attribute ext is a string, a boolean or a 32-bit integer, not {shown}."
    assert only_violation(members(ext=value)) == Violation("/ext", "attribute", message)


@pytest.mark.parametrize("name", ["a", "0", "9z", "n" * NAME_LENGTH_MAX])
def test_names_of_letters_and_digits_are_taken(name: str) -> None:
    assert event(**{name: "x"}).attributes[name] == "x"


@pytest.mark.parametrize(
    ("name", "shown", "path"),
    [
        ("", '""', "/"),
        ("camelCase", '"camelCase"', "/camelCase"),
        ("ID", '"ID"', "/ID"),
        ("with-dash", '"with-dash"', "/with-dash"),
        ("with_score", '"with_score"', "/with_score"),
        ("a/b~c", '"a/b~c"', "/a~1b~0c"),
        ("ærlig", '"ærlig"', "/ærlig"),
        ("٣", '"٣"', "/٣"),
        ("a\n", '"a\\n"', "/a\n"),
        ("\ud800", '"\\ud800"', "/\\ud800"),
        ("n" * 65, f'"{"n" * 65}"', "/" + "n" * 65),
        ("n" * 600, f'"{"n" * 80}…"', "/" + "n" * 498 + "…"),
    ],
)
def test_other_names_are_refused(name: str, shown: str, path: str) -> None:
    message = f"{shown} is no attribute name: 1 to 64 characters of a-z and 0-9."
    found = only_violation(members(**{name: "x"}))
    assert found == Violation(path, "attribute", message)
    assert found.message.encode()


@pytest.mark.parametrize(
    "character",
    list("\x00\n\r\x1f\x7f\x85\x9f\ud800\udfff\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0010ffff"),
)
@pytest.mark.parametrize("name", ["id", "subject", "ext"])
def test_characters_that_no_string_may_hold(name: str, character: str) -> None:
    message = f"The attribute {name} has a control character, a noncharacter or an unpaired surrogate."
    assert only_violation(members(**{name: f"a{character}b"})) == Violation(f"/{name}", "attribute", message)


@given(texts.filter(bool))
def test_all_other_characters_are_kept(text: str) -> None:
    assert event(id=text, ext=text).attributes == ATTRIBUTES | {"id": text, "ext": text}


@pytest.mark.parametrize("version", ["1.0.2", "1", "0.3", "", "1.0 "])
def test_the_version_is_1_0(version: str) -> None:
    assert only_violation(members(specversion=version)).message == f'specversion is 1.0, not "{version}".'


@pytest.mark.parametrize(
    "source",
    [
        "/",
        "a",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "mailto:cncf-wg-serverless@lists.cncf.io",
        "https://github.com/cloudevents/spec/pull?x=y#z",
        "https://user@[2001:db8::1]:8443/a;b=c",
        "//host:80",
        "/cloudevents/spec/pull/123",
        "sensors/tn-1234567/alerts",
        "1-555-123-4567",
        "?query",
        "#fragment",
        "./a:b",
        "%C3%A5",
        "file:///etc",
    ],
)
def test_a_source_is_a_uri_reference(source: str) -> None:
    assert event(source=source).source == source


@pytest.mark.parametrize(
    "source",
    ["", " ", "a b", "å", "a%", "%zz", "1a:b", ":a", "a#b#c", "[a]", "//[::1", "//[::1]x", "\\a", "<a>", "a|b", "a^"],
)
def test_what_is_no_uri_reference_is_no_source(source: str) -> None:
    found = only_violation(members(source=source))
    assert (found.path, found.rule) == ("/source", "attribute")
    assert found.message.startswith("source is a non-empty URI-reference (RFC 3986; what it does not allow is percent-")


@pytest.mark.parametrize("uri", ["https://a.example/b", "urn:a:b", "A+b-c.1:x"])
def test_a_dataschema_is_an_absolute_uri(uri: str) -> None:
    assert event(dataschema=uri).attributes["dataschema"] == uri


@pytest.mark.parametrize("uri", ["", "/a", "a", "a:", "1a:b", "https://a b", "https://å.no"])
def test_what_is_no_absolute_uri_is_no_dataschema(uri: str) -> None:
    message = f'dataschema is an absolute URI (RFC 3986), not "{uri}".'
    assert only_violation(members(dataschema=uri)) == Violation("/dataschema", "attribute", message)


@pytest.mark.parametrize(
    "time",
    [
        "2018-04-05T17:31:00Z",
        "2018-04-05t17:31:00z",
        "2024-02-29T00:00:00+23:59",
        "2018-04-05T17:31:00-00:00",
        "2018-04-05T17:31:00.123456789012Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2016-12-31T23:59:60Z",
        "2017-01-01T00:59:60.5+01:00",
        "2016-12-31T18:59:60-05:00",
    ],
)
def test_a_time_is_kept_as_it_was_written(time: str) -> None:
    assert event(time=time).attributes["time"] == time


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2018-04-05",
        "2018-04-05T17:31:00",
        "2018-04-05 17:31:00Z",
        "2018-04-05T17:31Z",
        "2018-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2018-13-01T00:00:00Z",
        "2018-04-05T24:00:00Z",
        "2018-04-05T17:60:00Z",
        "2018-04-05T17:31:61Z",
        "2016-12-31T12:30:60Z",
        "2016-12-31T23:59:60+01:00",
        "0001-01-01T00:59:60+23:59",
        "2018-04-05T17:31:00.Z",
        "2018-04-05T17:31:00,5Z",
        "2018-04-05T17:31:00+24:00",
        "2018-04-05T17:31:00+0100",
        "2018-04-05T17:31:00+01:60",
        "2018-04-05T17:31:00.٣Z",
        "٢٠١٨-04-05T17:31:00Z",
        "1522949460",
        " 2018-04-05T17:31:00Z",
    ],
)
def test_what_is_no_moment_is_no_time(time: str) -> None:
    message = f'time is an RFC 3339 timestamp with an offset, not "{time}".'
    assert only_violation(members(time=time)) == Violation("/time", "attribute", message)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "text/xml;charset=utf-8",
        'text/plain; charset="utf-8" ; format=flowed',
        'multipart/form-data; boundary="a \\" b"',
        "application/vnd.apache.thrift.binary",
        "application/vnd.a+json",
        "text/plain;",
    ],
)
def test_a_media_type_is_kept(media_type: str) -> None:
    assert event(datacontenttype=media_type).attributes["datacontenttype"] == media_type


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "json",
        "application/",
        "/json",
        "*/*",
        "text/*",
        "application/json json",
        "a/b/c",
        "text/plain; charset",
        "text/plain; charset=",
        'text/plain; a="b',
        "text/plain; title=blåbær",
        "text/plain;\u2003charset=utf-8",
        " text/plain",
    ],
)
def test_what_is_no_media_type_is_refused(media_type: str) -> None:
    found = only_violation(members(datacontenttype=media_type))
    assert (found.path, found.rule) == ("/datacontenttype", "attribute")
    assert found.message.startswith("datacontenttype is a media type (RFC 2046), not ")


def test_spaces_between_parameters_take_no_time_to_refuse() -> None:
    assert only_violation(members(datacontenttype="a/b" + (" " * 50 + ";") * 39 + "!")).path == "/datacontenttype"


def test_a_value_is_bounded() -> None:
    assert event(subject="å" * VALUE_LENGTH_MAX).attributes["subject"] == "å" * 2048
    message = "The attribute subject has 2049 characters; at most 2048 are allowed."
    found = only_violation(members(subject="å" * (VALUE_LENGTH_MAX + 1)))
    assert found == Violation("/subject", "attribute", message)


def test_all_attributes_together_are_bounded() -> None:
    length = sum(len(name) + len(value) for name, value in ATTRIBUTES.items())
    rest = ATTRIBUTES_LENGTH_MAX - length - 2 * (2 + VALUE_LENGTH_MAX) - 2
    full = members(a1="x" * VALUE_LENGTH_MAX, a2="x" * VALUE_LENGTH_MAX, a3="x" * rest)
    assert len(event_from_json(full)[0].attributes) == 7
    message = "All attributes together have 6145 characters; at most 6144 are allowed."
    assert only_violation(full | {"a3": "x" * (rest + 1)}) == Violation("", "attributes", message)


def test_the_number_of_attributes_is_bounded() -> None:
    extensions = {f"ext{n}": "x" for n in range(ATTRIBUTES_MAX - len(MEMBERS))}
    full = members(**extensions, data=1, data_base64=None)
    assert len(event_from_json(full)[0].attributes) == ATTRIBUTES_MAX
    message = "An event may have 64 attributes; this object has 67 members."
    assert only_violation(full | {"one": "more"}) == Violation("", "attributes", message)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text() | st.floats()))
def test_whatever_comes_is_read_or_refused_with_violations(value: dict[str, object]) -> None:
    refusal = None
    try:
        read, _ = event_from_json(MEMBERS | value)
    except BadInput as problem:
        refusal = problem
    if refusal is None:
        expected = MEMBERS.keys() | {name for name, member in value.items() if member is not None}
        assert read.attributes.keys() == expected - {"data", "data_base64"}
        return
    assert 0 < len(refusal.violations) < 100
    assert all(found.rule and found.message.encode() and found.path.encode() for found in refusal.violations)

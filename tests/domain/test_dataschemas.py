"""The URLs of schema versions: which of them an event may name."""

import pytest

from event_issuer.domain.dataschemas import SchemaUrls, version_number
from event_issuer.domain.errors import ContractBroken

TYPE = "acme.train.arrived.v1"
URLS = SchemaUrls("https://events.example.com/issuer")
PREFIX = "https://events.example.com/issuer/v1/schemas/"


def test_what_is_made_is_read() -> None:
    assert URLS.of(TYPE, 12) == f"{PREFIX}{TYPE}/12"
    assert URLS.version_in(URLS.of(TYPE, 12), TYPE) == 12


@pytest.mark.parametrize(
    "dataschema",
    [
        "urn:isbn:0451450523",
        f"https://schemas.example.com/{TYPE}/1",
        "https://events.example.com/v1/schemas/acme.train.arrived.v1/1",
        "https://events.example.com/issuer/v1/schema",
        "https://events.example.com/issuer",
    ],
)
def test_a_foreign_uri_names_no_version(dataschema: str) -> None:
    assert URLS.version_in(dataschema, TYPE) is None


@pytest.mark.parametrize(
    "rest",
    ["", "1", f"{TYPE}", f"{TYPE}/", f"{TYPE}/0", f"{TYPE}/01", f"{TYPE}/1/", f"{TYPE}/1#a", f"{TYPE}/²", "a.other/1"],
)
def test_a_url_of_ours_names_a_version_of_the_type(rest: str) -> None:
    with pytest.raises(ContractBroken) as refused:
        URLS.version_in(PREFIX + rest, TYPE)
    message = (
        f"{PREFIX + rest!r} names no schema version of this event's type; right is {PREFIX}{TYPE}/1 or another "
        "version of it."
    )
    (violation,) = refused.value.violations
    assert (violation.path, violation.rule) == ("/dataschema", "dataschema")
    assert refused.value.detail == message
    assert URLS.broken(PREFIX + rest, TYPE).violations == (violation,)


def test_a_version_has_one_spelling() -> None:
    assert version_number("999999999") == 999_999_999
    assert [version_number(text) for text in ("", "0", "01", "+1", "1.0", "1" * 10, " 1")] == [None] * 7

"""Credentials: what may stand in a header, and never a value in a message or a repr."""

import pytest

from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, BearerToken, Credentials
from event_issuer.domain.errors import BadInput


def test_credentials_become_headers_and_come_back() -> None:
    credentials = Credentials(ApiKeyHeader("X-Partner-Key", "s3cret"), BasicCredentials("user", "pæss:word"))
    assert credentials.headers() == [("x-partner-key", "s3cret"), ("authorization", "Basic dXNlcjpww6Zzczp3b3Jk")]
    assert Credentials.decode(credentials.encode()) == credentials
    assert Credentials.decode(Credentials().encode()) == Credentials()
    assert (bool(Credentials()), bool(credentials)) == (False, True)
    assert "s3cret" not in repr(credentials)
    assert "pæss" not in repr(credentials)


@pytest.mark.parametrize(
    "header", ["", "X Key", "X:Key", "Häader", "X" * 65, "Host", "content-type", "ce-id", "Webhook-Id", "Authorization"]
)
def test_a_header_that_is_ours_or_none_is_refused(header: str) -> None:
    with pytest.raises(BadInput, match=r"is no header name|is set by us"):
        ApiKeyHeader(header, "key")


@pytest.mark.parametrize("key", ["", " s3cret", "s3cret ", "s3c\r\nret: x", "s3c\x00ret", "s3crét", "s" * 4097])
def test_a_key_that_cannot_stand_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(BadInput) as refused:
        ApiKeyHeader("X-Key", key)
    assert refused.value.detail == "An API key is 1 to 4096 printable ASCII characters."


@pytest.mark.parametrize(
    ("username", "password", "message"),
    [
        ("us:er", "p", "A username has no colon"),
        ("us\ner", "p", "A username has at most 1024 characters, none of them a control character."),
        ("user", "p\x7f", "A password has at most 1024 characters, none of them a control character."),
        ("user", "p" * 1025, "A password has at most 1024 characters, none of them a control character."),
    ],
)
def test_bad_basic_credentials_are_refused(username: str, password: str, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        BasicCredentials(username, password)
    assert refused.value.detail.startswith(message)


def test_a_bearer_token_is_a_header_and_comes_back() -> None:
    credentials = Credentials(bearer=BearerToken("a.b-c_d~e+f/g=="))
    assert credentials.headers() == [("authorization", "Bearer a.b-c_d~e+f/g==")]
    assert Credentials.decode(credentials.encode()) == credentials
    assert (bool(credentials), credentials.secrets()) == (True, ["a.b-c_d~e+f/g=="])
    assert "a.b-c" not in repr(credentials)


@pytest.mark.parametrize("token", ["", "two words", "a\r\nb", "=", "a=b", "tøken", "a" * 4097])
def test_a_bad_bearer_token_is_refused(token: str) -> None:
    with pytest.raises(BadInput) as refused:
        BearerToken(token)
    assert refused.value.detail.startswith("A bearer token is 1 to 4096 letters, digits and -._~+/")


def test_two_credentials_for_one_header_are_refused() -> None:
    with pytest.raises(BadInput, match="and not both"):
        Credentials(basic=BasicCredentials("user", "pass"), bearer=BearerToken("token"))

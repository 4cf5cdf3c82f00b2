"""Excerpts of answers: text, bounded, and never a secret, however the endpoint writes it back."""

import html
import json
from time import perf_counter
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_issuer.delivery.excerpt import EXCERPT_CHARS_MAX, REDACTED, excerpt_of, redacted
from event_issuer.delivery.timings import timings_text
from event_issuer.domain.credentials import ApiKeyHeader, BasicCredentials, Credentials
from event_issuer.egress.messages import Opening, Response, Timings
from event_issuer.egress.reader import EXCERPT_BYTES_MAX
from event_issuer.security.signing_secrets import shown_secret, spellings_of

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=4, max_size=60)


def response(body: bytes, **headers: str) -> Response:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Response(500, raw, body, Timings(None, 0.0, 0.0))


@pytest.mark.parametrize(
    ("body", "headers", "excerpt"),
    [
        (b"", {}, None),
        (b"no", {}, "no"),
        (b"\xc3\xa4", {"content_type": "text/plain"}, "ä"),
        (b"\xe4", {"Content_Type": "text/html; charset=ISO-8859-1"}, "ä"),
        (b"\xc3\xa4", {"content_type": "application/problem+json; charset=nonsense"}, "ä"),
        (b"\xff\xfe", {"content_type": "text/plain"}, "[2 bytes of text/plain]"),
        (b"a\x00b", {"content_type": "text/plain"}, "[3 bytes of text/plain]"),
        (b"\xff\xfe", {}, "[2 bytes of an unknown type]"),
        (b"PNG", {"content_type": "image/png"}, "[3 bytes of image/png]"),
        (b"zip", {"content_type": "text/html", "content_encoding": "gzip"}, "[3 bytes of text/html, gzip]"),
        (
            b"\x00" * EXCERPT_BYTES_MAX,
            {"content_type": "image/png", "content_length": "99999"},
            "[99999 bytes of image/png]",
        ),
        (b"\x00" * EXCERPT_BYTES_MAX, {"content_type": "image/png"}, "[16384 bytes or more of image/png]"),
        (b"\xc3\xa4" * 8191 + b"x\xc3", {}, "ä" * 8191 + "x"),
    ],
)
def test_an_excerpt_is_text_or_says_what_it_is_not(body: bytes, headers: dict[str, str], excerpt: str | None) -> None:
    assert excerpt_of(response(body, **headers)) == excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Digest a, b\nhost: x", "Authorization: [redacted]\nhost: x"),
        ("proxy-authorization=abc&x=1", "proxy-authorization=[redacted]&x=1"),
        ("Cookie: a=b; c=d\r\nhost: x", "Cookie: [redacted]\r\nhost: x"),
        ('{"authorization": "abc", "error": 1}', '{"authorization": "[redacted]", "error": 1}'),
        ("{'X-Api-Key': 'it\\'s', 'b': 1}", "{'X-Api-Key': '[redacted]', 'b': 1}"),
        ('{"Cookie":["a","b"],"c":1}', '{"Cookie":[redacted],"c":1}'),
        ('{"password":123,"c":1}', '{"password":[redacted],"c":1}'),
        (r'{"m":"{\"secret\": \"abc\", \"c\": 1}"}', r'{"m":"{\"secret\": [redacted], \"c\": 1}"}'),
        ("<td>Authorization</td> <td class=a>abc</td>", "<td>Authorization</td> <td class=a>[redacted]</td>"),
        ("<dt>x-api-key</dt><dd>abc</dd>", "<dt>x-api-key</dt><dd>[redacted]</dd>"),
        ("got Bearer abcdef.g-h, sorry", "got [redacted], sorry"),
        ("got eyJhbGciOi.eyJz.sig_-1 here", "got [redacted] here"),
        ("got whsec_MDEy+/= here", "got [redacted] here"),
        ("a wrong password was given", "a wrong password was given"),
        ("bearer of bad news, basic rules", "bearer of bad news, basic rules"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text, ()) == shown


@given(SECRETS, st.sampled_from(["plain", "json", "json ascii", "html", "url", "form"]))
@example('k"&<é y', "json ascii")
def test_a_secret_is_taken_out_however_it_is_written(secret: str, form: str) -> None:
    written = {
        "plain": secret,
        "json": json.dumps(secret, ensure_ascii=False)[1:-1],
        "json ascii": json.dumps(secret)[1:-1],
        "html": html.escape(secret),
        "url": quote(secret, safe=""),
        "form": quote_plus(secret),
    }[form]
    assert redacted(f"({written})", [secret]) == f"({REDACTED})"


@given(st.integers(1, 39))
def test_a_secret_that_the_cut_ends_in_is_taken_out(length: int) -> None:
    key = "0123456789abcdef-0123456789abcdef-012345"
    body = b"x" * (EXCERPT_BYTES_MAX - length) + key[:length].encode()
    excerpt = excerpt_of(response(body + b""), [key])
    assert excerpt == ("x" * (EXCERPT_BYTES_MAX - length) + REDACTED)[:EXCERPT_CHARS_MAX]


def test_all_secrets_of_a_subscription_are_known() -> None:
    key = bytes(range(32))
    credentials = Credentials(ApiKeyHeader("X-Key", "k3y-k3y"), BasicCredentials("user", "pa ss"))
    echoes = ["k3y-k3y", "pa ss", "dXNlcjpwYSBzcw==", shown_secret(key), shown_secret(key)[6:], key.hex()]
    for echo in echoes:
        assert redacted(f"<{echo}>", [*credentials.secrets(), *spellings_of(key)]) in (
            "<[redacted]>",
            "<whsec_[redacted]>",
        )
    assert Credentials(None, BasicCredentials("user", "")).secrets() == ["dXNlcjo="]


def test_no_text_takes_long() -> None:
    """Texts that make the expressions try many ways; a quadratic one would take seconds."""
    texts = ["password" + " " * 16_000, "password:" + "\n" * 16_000, "authorization</td>" + " <td" * 4_000]
    texts += ["eyJ" + "a." * 8_000, '"secret":[' * 1_600, "password" + "\\" * 16_000, ("password" + " " * 40) * 340]
    started_at = perf_counter()
    for text in texts:
        redacted(text, ["k" * 4_000], is_cut=True)
    assert perf_counter() - started_at < 2


@pytest.mark.parametrize(
    ("timings", "text"),
    [
        (None, None),
        (Timings(None, 0.0015, 0.002), "1500"),
        (Timings(None, None, 0.002), None),
        (Timings(Opening(0.001, 0.002, 0.003), 0.0015, 0.02), "1500,1000,2000,3000"),
        (Timings(Opening(0.001), None, 0.02), ",1000"),
    ],
)
def test_timings_are_stored_in_microseconds(timings: Timings | None, text: str | None) -> None:
    assert timings_text(timings) == text

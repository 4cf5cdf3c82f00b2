"""The excerpt of an answer that an attempt's record keeps: text, bounded, and without secrets.

An endpoint may echo the request, so what looks like a credential is taken out before anything is kept. Knows no judge:
it is asked about failures only.
"""

import codecs
import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote, quote_plus

from event_issuer.egress.messages import Response
from event_issuer.egress.reader import EXCERPT_BYTES_MAX

REDACTED: Final = "[redacted]"
EXCERPT_CHARS_MAX: Final = EXCERPT_BYTES_MAX  # redaction may make a text longer than it came
TYPE_CHARS_MAX: Final = 100  # of the media type of what is not text

_TEXT_TYPE: Final = re.compile(
    r"text/.+|application/(?:json|xml|javascript|yaml|x-yaml|x-www-form-urlencoded|graphql-response\+json)"
    r"|[^/]+/[^/]+\+(?:json|xml|yaml)"
)
_CHARSET: Final = re.compile(r';\s*charset="?([^\s;"]+)', re.IGNORECASE)
# Those that HTTP servers use; another one is read as UTF-8, and is no text where that fails.
_CHARSETS: Final = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"})
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")  # control characters that no text has

# Names under which credentials travel, as a header, a JSON member, a form field or a cell of an HTML table.
_NAMES: Final = (
    r"(?:proxy[-_]?)?authorization|(?:set[-_]?)?cookie|(?:x[-_])?api[-_]?key|(?:x[-_])?auth[-_]?token|x[-_]access[-_]token"
    r"|access[-_]?token|refresh[-_]?token|id[-_]?token|client[-_]?secret|client[-_]?assertion|password|passwd|secret"
)
# Spaces are counted, so that a text made of them takes no time that grows with its square.
_SPACES: Final = r"\s{0,40}"
_QUOTED: Final = r'"(?:[^"\\\r\n]|\\.)*"?|\'(?:[^\'\\\r\n]|\\.)*\'?|\\{1,4}["\'][^"\'\r\n]*["\']?'
_NAMED: Final = re.compile(
    # JSON and its like: up to the end of the member
    rf"""(?P<member>\b(?:{_NAMES})\\{{0,4}}["']{_SPACES}(?::|=>?){_SPACES})(?:{_QUOTED}|\[[^\]]*\]?|[^\r\n<,\]}}]+)"""
    # a cell or a definition of HTML
    rf"|(?P<cell>\b(?:{_NAMES})(?:</t[dh]>{_SPACES}<t[dh][^>]{{0,200}}>|</dt>{_SPACES}<dd[^>]{{0,200}}>){_SPACES})[^<]+"
    # a form field, and a header: up to the end of the line
    rf"|(?P<field>\b(?:{_NAMES})=)[^\r\n<&]+"
    rf"|(?P<line>\b(?:{_NAMES}){_SPACES}[:=]{_SPACES})[^\r\n<]+",
    re.IGNORECASE,
)
_BARE: Final = re.compile(
    r"\b(?:Bearer|Basic|DPoP|Digest|Negotiate)[ +]+[A-Za-z0-9._~+/=-]{6,}"  # RFC 9110 §11.4: scheme and token68
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*"  # a JWT
    r"|\bwhsec_[A-Za-z0-9+/=_-]+",
    re.IGNORECASE,
)
# A part of each name, and of each scheme.
_NAMED_BY: Final = ("authorization", "cookie", "key", "token", "secret", "assertion", "passw")
_BARE_BY: Final = ("bearer", "basic", "dpop", "digest", "negotiate", "eyj", "whsec_")


def excerpt_of(answer: Response, secrets: Sequence[str] = ()) -> str | None:
    """The beginning of the body as text, at most `EXCERPT_CHARS_MAX` characters; what is no text, by its length and
    type; None for an empty body. `secrets` are the subscription's own."""
    body = answer.body_excerpt
    if not body:
        return None
    text = _text(answer)
    if text is None:
        text = _told(answer)
    return redacted(text, secrets, is_cut=len(body) >= EXCERPT_BYTES_MAX)[:EXCERPT_CHARS_MAX]


def redacted(text: str, secrets: Sequence[str], *, is_cut: bool = False) -> str:
    """Without these secrets, however they are written, and without what else looks like a credential. `is_cut`: the
    text goes on, so that what stands at its end may be the beginning of a secret."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    for form in forms:
        text = text.replace(form, REDACTED)
    if is_cut:
        text = _without_beginning(text, forms)
    lower = text.lower()  # most texts have none of these words, and to find that out is a hundred times cheaper
    if any(word in lower for word in _NAMED_BY):
        text = _NAMED.sub(_named, text)
    if any(word in lower for word in _BARE_BY):
        text = _BARE.sub(REDACTED, text)
    return text


def _named(match: re.Match[str]) -> str:
    before = match[match.lastgroup or 0]
    value = match[0][len(before) :]
    mark = value[0] if value[0] in "\"'" else ""
    return f"{before}{mark}{REDACTED}{mark}"


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as JSON, HTML and URLs write it."""
    if secret:
        yield from (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
        yield from (html.escape(secret), html.escape(secret, quote=False), quote(secret), quote(secret, safe=""))
        yield quote_plus(secret)


def _without_beginning(text: str, forms: Sequence[str]) -> str:
    """Takes off the end what one of the forms begins with."""
    longest = max(
        (length for form in forms for length in range(1, len(form)) if text.endswith(form[:length])),
        default=0,
    )
    return text[:-longest] + REDACTED if longest else text


def _text(answer: Response) -> str | None:
    """The body decoded; None where its type says that it is no text, or it cannot be decoded."""
    headers = answer.headers
    type_ = headers.get("content-type", "")
    media_type = type_.partition(";")[0].strip().lower()
    if media_type and _TEXT_TYPE.fullmatch(media_type) is None:
        return None
    if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        return None
    decoder = codecs.getincrementaldecoder(_charset(type_))()
    try:
        text = decoder.decode(answer.body_excerpt, final=len(answer.body_excerpt) < EXCERPT_BYTES_MAX)
    except UnicodeDecodeError:
        return None
    return None if _NO_TEXT.search(text) else text


def _charset(type_: str) -> str:
    named = _CHARSET.search(type_)
    try:
        charset = codecs.lookup(named[1]).name if named else "utf-8"
    except (LookupError, ValueError):
        return "utf-8"
    return charset if charset in _CHARSETS else "utf-8"


def _told(answer: Response) -> str:
    headers, length = answer.headers, len(answer.body_excerpt)
    size = f"{length} bytes"
    if length >= EXCERPT_BYTES_MAX:
        said = headers.get("content-length", "")
        size = f"{said} bytes" if said.isascii() and said.isdigit() else f"{length} bytes or more"
    type_ = "".join(one for one in headers.get("content-type", "an unknown type") if one.isprintable())
    coding = headers.get("content-encoding", "")
    packed = f", {coding[:TYPE_CHARS_MAX]}" if coding and coding.isprintable() else ""
    return f"[{size} of {type_[:TYPE_CHARS_MAX]}{packed}]"

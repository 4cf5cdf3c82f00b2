"""What we show to who answers our requests: an API key in a header, Basic, or a bearer token.

Pure rules: what may stand in a header, and which headers are ours. Values never appear in a repr or a message.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Final

from event_issuer.domain.errors import BadInput

HEADER_LENGTH_MAX: Final = 64
VALUE_LENGTH_MAX: Final = 4096  # servers refuse heads of 8 KiB and up
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2: token
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_RESERVED = frozenset(
    {
        "authorization",  # use `authentication`
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_RESERVED_PREFIXES: Final = ("ce-", "webhook-", "proxy-")


@dataclass(frozen=True, slots=True)
class ApiKeyHeader:
    """A secret in a header of the receiver's choosing. Raises BadInput."""

    header: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        name = self.header.lower()
        if _HEADER.fullmatch(name) is None or len(name) > HEADER_LENGTH_MAX:
            raise BadInput(f"{self.header!r:.80} is no header name: 1 to {HEADER_LENGTH_MAX} letters, digits and -.")
        if name in _RESERVED or name.startswith(_RESERVED_PREFIXES):
            raise BadInput(f"The header {self.header} is set by us; choose another, such as X-API-Key.")
        if _VALUE.fullmatch(self.key) is None or len(self.key) > VALUE_LENGTH_MAX:
            raise BadInput(f"An API key is 1 to {VALUE_LENGTH_MAX} printable ASCII characters.")


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """RFC 7617. Raises BadInput."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        for what, text in (("username", self.username), ("password", self.password)):
            if len(text) > VALUE_LENGTH_MAX // 4 or any(
                ord(character) < 32 or character == "\x7f" for character in text
            ):
                raise BadInput(
                    f"A {what} has at most {VALUE_LENGTH_MAX // 4} characters, none of them a control character."
                )
        if ":" in self.username:
            raise BadInput("A username has no colon: it would end there (RFC 7617).")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """RFC 6750, section 2.1. Raises BadInput."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        if _TOKEN.fullmatch(self.token) is None or len(self.token) > VALUE_LENGTH_MAX:
            raise BadInput(f"A bearer token is 1 to {VALUE_LENGTH_MAX} letters, digits and -._~+/, with = at its end.")


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that one subscription or registry is shown; `encode` is what gets sealed. Raises BadInput for two that would
    be one header."""

    api_key: ApiKeyHeader | None = None
    basic: BasicCredentials | None = None
    bearer: BearerToken | None = None

    def __post_init__(self) -> None:
        if self.basic is not None and self.bearer is not None:
            raise BadInput("A request shows a name and a password, or a bearer token, and not both.")

    def __bool__(self) -> bool:
        return self.api_key is not None or self.basic is not None or self.bearer is not None

    @classmethod
    def decode(cls, raw: bytes) -> "Credentials":
        members = json.loads(raw)
        api_key, basic, bearer = members.get("api_key"), members.get("basic"), members.get("bearer")
        return cls(
            ApiKeyHeader(*api_key) if api_key else None,
            BasicCredentials(*basic) if basic else None,
            BearerToken(bearer) if bearer else None,
        )

    def encode(self) -> bytes:
        members = {
            "api_key": self.api_key and [self.api_key.header, self.api_key.key],
            "basic": self.basic and [self.basic.username, self.basic.password],
        } | ({"bearer": self.bearer.token} if self.bearer else {})
        return json.dumps(members).encode()

    def headers(self) -> list[tuple[str, str]]:
        found = []
        if self.api_key is not None:
            found.append((self.api_key.header.lower(), self.api_key.key))
        if self.basic is not None:
            token = base64.b64encode(f"{self.basic.username}:{self.basic.password}".encode()).decode()
            found.append(("authorization", f"Basic {token}"))
        if self.bearer is not None:
            found.append(("authorization", f"Bearer {self.bearer.token}"))
        return found

    def secrets(self) -> list[str]:
        """What no record may show: the key, the tokens, the password, and what both halves of Basic make."""
        found = [] if self.api_key is None else [self.api_key.key]
        if self.bearer is not None:
            found.append(self.bearer.token)
        if self.basic is not None:
            found += [self.basic.password, *(value.removeprefix("Basic ") for _, value in self.headers()[-1:])]
        return [secret for secret in found if secret]

"""What a subscription shows to its endpoint, apart from the signature: an API key in a header, or Basic.

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
class Credentials:
    """All that one subscription shows; `encode` is what gets sealed."""

    api_key: ApiKeyHeader | None = None
    basic: BasicCredentials | None = None

    def __bool__(self) -> bool:
        return self.api_key is not None or self.basic is not None

    @classmethod
    def decode(cls, raw: bytes) -> "Credentials":
        members = json.loads(raw)
        api_key, basic = members.get("api_key"), members.get("basic")
        return cls(ApiKeyHeader(*api_key) if api_key else None, BasicCredentials(*basic) if basic else None)

    def encode(self) -> bytes:
        members = {
            "api_key": self.api_key and [self.api_key.header, self.api_key.key],
            "basic": self.basic and [self.basic.username, self.basic.password],
        }
        return json.dumps(members).encode()

    def headers(self) -> list[tuple[str, str]]:
        found = []
        if self.api_key is not None:
            found.append((self.api_key.header.lower(), self.api_key.key))
        if self.basic is not None:
            token = base64.b64encode(f"{self.basic.username}:{self.basic.password}".encode()).decode()
            found.append(("authorization", f"Basic {token}"))
        return found

    def secrets(self) -> list[str]:
        """What no record may show: the key, the password, and the token that both halves of Basic make."""
        found = [] if self.api_key is None else [self.api_key.key]
        if self.basic is not None:
            found += [self.basic.password, *(value.removeprefix("Basic ") for _, value in self.headers()[-1:])]
        return [secret for secret in found if secret]

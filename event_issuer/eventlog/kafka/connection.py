"""How to reach a Kafka cluster: servers, who we are there, and how long we wait. Opens nothing."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from aiokafka.abc import AbstractTokenProvider

from event_issuer.domain.errors import SettingsInvalid

SCHEME: Final = "kafka://"
PORT: Final = "9092"


class Sasl(StrEnum):
    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. Without `authorities` those of the system are trusted; `certificate` is ours, for mutual TLS."""

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Raises SettingsInvalid."""
        try:
            context = ssl.create_default_context(cafile=self.authorities)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as problem:
            raise SettingsInvalid(f"The TLS files for Kafka cannot be used: {problem}") from None
        return context


@dataclass(frozen=True, slots=True)
class Login:
    """`token` gives a bearer token, anew for each connection: it may have been replaced meanwhile."""

    mechanism: Sasl
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: Callable[[], str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """`timeout_s` bounds one request, and how long an append may take until its outcome is called unknown."""

    servers: Sequence[str]
    client_id: str = "event-issuer"
    timeout_s: float = 10.0
    tls: Tls | None = None
    login: Login | None = None

    def options(self) -> dict[str, object]:
        """As aiokafka's clients take them. Raises SettingsInvalid."""
        options: dict[str, object] = {
            "bootstrap_servers": list(self.servers),
            "client_id": self.client_id,
            "request_timeout_ms": round(self.timeout_s * 1000),
            "security_protocol": _PROTOCOLS[self.login is not None, self.tls is not None],
            "ssl_context": None if self.tls is None else self.tls.context(),
        }
        if self.login is None:
            return options
        options |= {
            "sasl_mechanism": self.login.mechanism.value,
            "sasl_plain_username": self.login.user,
            "sasl_plain_password": self.login.password,
        }
        if self.login.token is not None:
            options["sasl_oauth_token_provider"] = _Tokens(self.login.token)
        return options


_PROTOCOLS: Final = {
    (False, False): "PLAINTEXT",
    (False, True): "SSL",
    (True, False): "SASL_PLAINTEXT",
    (True, True): "SASL_SSL",
}


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token()


def token_file(path: str) -> Callable[[], str]:
    """Reads the token from a file that somebody else keeps fresh."""
    return lambda: Path(path).read_text("utf-8").strip()


def parse_servers(url: str) -> list[str]:
    """The servers of `kafka://host:port,host:port`. Raises SettingsInvalid."""
    servers = [_with_port(server) for server in url.removeprefix(SCHEME).removesuffix("/").split(",")]
    if not url.startswith(SCHEME) or not all(_is_server(server) for server in servers):
        raise SettingsInvalid("EVENT_ISSUER_LOG_URL: right are `embedded` and kafka://host:port,host:port")
    return servers


def _with_port(server: str) -> str:
    return server if ":" in server.rpartition("]")[2] or not server else f"{server}:{PORT}"


def _is_server(server: str) -> bool:
    host, _, port = server.rpartition(":")
    return bool(host) and not set(host) & set("/@?# ") and port.isascii() and port.isdigit() and 0 < int(port) < 65536

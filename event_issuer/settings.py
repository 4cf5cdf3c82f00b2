"""The operator's settings: from the environment (`EVENT_ISSUER_…`), a `.env` file and a TOML file, in this order.

Each field is documented here and nowhere else; `docs/settings.md` is generated from it. Knows no part that uses them.
"""

import json
import os
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from event_issuer.domain.errors import SettingsInvalid
from event_issuer.domain.subscriptions import (
    MAX_IN_FLIGHT_MAX,
    RETRIES_MAX,
    RETRY_DELAY_MAX_S,
    STANDARD_RETRY_DELAYS_S,
    TIMEOUT_MAX_S,
    TIMEOUT_MIN_S,
)

PREFIX: Final = "EVENT_ISSUER_"
FILE_VARIABLE: Final = "EVENT_ISSUER_FILE"  # the one variable that is no setting: where the TOML file is

MIB: Final = 1024 * 1024
DAY_S: Final = 24 * 3600

RetryDelay = Annotated[float, Field(ge=0, le=RETRY_DELAY_MAX_S)]


class Settings(BaseSettings):
    """Built by `load_settings`, which turns what is wrong into one refusal."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="forbid", frozen=True)

    # Where and as whom
    database_url: str = Field(
        "sqlite:///event-issuer.db",
        description="Where everything is kept: `sqlite:///relative.db`, `sqlite:////absolute/path.db` or "
        "`postgresql://user:password@host:port/database`.",
        repr=False,  # it may hold a password
    )
    database_connections_max: int = Field(
        10, ge=2, le=100, description="Connections of this process to PostgreSQL. SQLite does not use it."
    )
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    workers: int = Field(
        1, ge=1, le=64, description="Processes of `serve` that share the port and the work; see operations.md."
    )
    health_port: int = Field(
        8001,
        ge=0,
        le=65535,
        description="The port where `deliver`, which has no API, answers /healthz and /readyz; 0 takes a free one.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="The address under which partners reach this server; `dataschema` documents are named under it, "
        "and its origin is what endpoints agree to receive from. By default `http://host:port`.",
    )
    sealing_key: SecretStr | None = Field(
        None,
        description="32 random bytes in base64 that seal stored credentials; `event-issuer key seal` makes one. "
        "Without it `serve` does not start. Losing it loses the credentials of every subscription.",
    )

    # Where the log is
    log_url: str = Field(
        "embedded",
        pattern=r"^(embedded|kafka://\S+)$",
        description="Where events are: `embedded` keeps them in the database, `kafka://host:port,host:port` in "
        "[Kafka](kafka.md), of which these servers are asked first. It never changes for a database.",
    )
    kafka_topic: str = Field(
        "{event_type}", description="The name of an event type's topic: `{event_type}` with what stands around it."
    )
    kafka_topics_managed: bool = Field(
        True,
        description="Whether topics are made with their event types, and their retention set; else they must be there.",
    )
    kafka_replicas: int | None = Field(
        None, ge=1, le=32, description="Copies of each topic that is made; by default as many as the brokers say."
    )
    kafka_content_mode: Literal["binary", "structured"] = Field(
        "binary",
        description="How events are written: attributes as headers and the data as the value, or all of it as one JSON "
        "document. Both are read.",
    )
    kafka_client_id: str = Field(
        "event-issuer", min_length=1, max_length=200, description="The name that this server has in Kafka's logs."
    )
    kafka_timeout_s: float = Field(
        10.0,
        ge=0.5,
        le=120,
        description="How long Kafka may take to acknowledge events until their outcome is said to be unknown.",
    )
    kafka_tls: bool = Field(False, description="Whether Kafka is spoken to over TLS.")
    kafka_tls_authorities: str | None = Field(
        None, description="A file of certificates, in PEM, to trust instead of the system's."
    )
    kafka_tls_certificate: str | None = Field(None, description="A file with our own certificate, for mutual TLS.")
    kafka_tls_key: str | None = Field(None, description="The file with its key, where the certificate's has none.")
    kafka_sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        None, description="How we say who we are: with user and password, or OAUTHBEARER with a token."
    )
    kafka_user: str | None = Field(None, description="The user, for PLAIN and SCRAM.")
    kafka_password: SecretStr | None = Field(None, description="Its password.")
    kafka_token_file: str | None = Field(
        None,
        description="The file with the token for OAUTHBEARER. It is read for each connection: something else keeps it "
        "fresh.",
    )

    # What may come in
    body_bytes_max: int = Field(
        8 * MIB, ge=64 * 1024, le=64 * MIB, description="The largest request body; more is refused with 413."
    )
    batch_events_max: int = Field(
        1000, ge=1, le=10_000, description="Events in one `produceEvents`; all of them are checked before the answer."
    )
    data_bytes_max: int = Field(
        1000 * 1000,
        ge=64 * 1024,
        le=16 * MIB,
        description="Data of one event. Events up to 64 KiB are always accepted; the default is just below what "
        "brokers take.",
    )
    event_types_max: int = Field(10_000, ge=1, description="Event types of one tenant.")
    partitions_max: int = Field(64, ge=1, le=1024, description="Partitions of one event type.")
    subscriptions_max: int = Field(1000, ge=1, description="Subscriptions of one tenant.")
    schema_trial_timeout_s: float = Field(
        2.0, gt=0, le=30, description="How long a schema may be tried before it is refused as too expensive."
    )

    # How long things are kept
    dedupe_window_s: int = Field(
        DAY_S, ge=60, le=30 * DAY_S, description="How long an event's source and id are remembered, in seconds."
    )
    dedupe_entries_max: int = Field(
        10_000_000,
        ge=1000,
        description="Events remembered for deduplication, about 150 bytes each (SQLite: some 60, and 8 to 16 of memory "
        "in each process that takes events); the oldest go first.",
    )
    retention_s: int | None = Field(
        7 * DAY_S, ge=60, description="How long events stay in the log where their type does not say, in seconds."
    )
    retention_bytes: int | None = Field(
        None, ge=MIB, description="Bytes of events kept per partition where the event type does not say."
    )
    attempts_retention_s: int = Field(
        30 * DAY_S, ge=3600, le=3650 * DAY_S, description="How long delivery attempts are kept, in seconds."
    )
    attempts_max: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="Attempts kept of each subscription, some 150 bytes each; the oldest go first. So many index "
        "entries are counted to see whether there are more.",
    )
    dead_letters_retention_s: int = Field(
        30 * DAY_S, ge=3600, le=3650 * DAY_S, description="How long dead letters are kept, in seconds."
    )
    dead_letters_max: int = Field(
        10_000, ge=100, le=100_000, description="Dead letters kept of each subscription; the oldest are dropped first."
    )

    # How events go out
    http_allowed: bool = Field(
        False, description="Whether endpoints may be `http`; for development, or inside a network of your own."
    )
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (),
        description='Networks beyond the public ones that endpoints may be in, as a JSON list: `["127.0.0.0/8"]`.',
    )
    verification_optional: bool = Field(
        False, description="Whether a subscription may ask for no verification of its endpoint (`verification: NONE`)."
    )
    max_in_flight: int = Field(
        16,
        ge=1,
        le=MAX_IN_FLIGHT_MAX,
        description="Requests to one subscription's endpoint at a time, where the subscription does not say.",
    )
    host_requests_max: int = Field(
        1000, ge=1, description="Requests to one host at a time, over all subscriptions; they take turns beyond it."
    )
    tenant_requests_max: int = Field(
        1000, ge=1, description="Requests for one tenant at a time, over all its subscriptions; they take turns, too."
    )
    timeout_s: float = Field(
        15.0,
        ge=TIMEOUT_MIN_S,
        le=TIMEOUT_MAX_S,
        description="Seconds for one delivery with its whole response, where the subscription does not say.",
    )
    retry_delays_s: tuple[RetryDelay, ...] = Field(
        STANDARD_RETRY_DELAYS_S,
        max_length=RETRIES_MAX,
        description="Seconds before each further attempt, as a JSON list; after the last one an event is a dead "
        "letter. The default is the example of Standard Webhooks: ten attempts in some three days.",
    )
    unsettled_max: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="Deliveries of this process that are under way or not yet written down: what a crash can repeat.",
    )
    connections_max: int = Field(
        2048,
        ge=1,
        le=60_000,
        description="Connections to endpoints open at a time. Below what is under way at a time (`UNSETTLED_MAX`), "
        "connections are closed for one another instead of being kept.",
    )
    page_cache_bytes_max: int = Field(
        64 * MIB, ge=MIB, description="Memory for events that subscriptions share while they read the log."
    )
    lease_s: float = Field(
        15.0, ge=2, le=300, description="After so many seconds another process takes over from one that has died."
    )
    grace_s: float = Field(
        20.0, ge=0, le=600, description="Seconds that requests under way get at shutdown; what remains is repeated."
    )

    # What is said
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )
    log_format: Literal["json", "console"] = Field("json", description="Log lines for machines or for people.")
    metrics_host: str = Field(
        "127.0.0.1",
        description="The address that `/metrics` is served on. Whoever reaches it may read it: no key is asked for.",
    )
    metrics_port: int = Field(
        9464, ge=0, le=65535, description="The port of `/metrics`, never the one of the API; 0 serves no metrics."
    )
    traces_ratio: float = Field(
        0.0,
        ge=0,
        le=1,
        description="The share of traces that is sent to OpenTelemetry; 0 sends none. Above 0 the extra `otel` must be "
        "installed.",
    )
    traces_endpoint: str = Field(
        "http://127.0.0.1:4318/v1/traces",
        pattern=r"^https?://[^/?#@]+(/[^?#]*)?$",
        description="Where traces go, by OTLP over HTTP. Headers that the collector wants are in "
        "`OTEL_EXPORTER_OTLP_HEADERS`.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (init_settings, env_settings, dotenv_settings)
        path = os.environ.get(FILE_VARIABLE)
        return (*sources, TomlConfigSettingsSource(settings_cls, path)) if path else sources


def load_settings(**overrides: Any) -> Settings:
    """The settings, with `overrides` above every source.

    Raises SettingsInvalid that names each faulty one, without its value, which may be a secret.
    """
    path = os.environ.get(FILE_VARIABLE)
    if path and not os.path.isfile(path):
        raise SettingsInvalid(f"{FILE_VARIABLE} names no file: {path}")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = {str(found["loc"][0]).upper(): found["msg"] for found in error.errors()}
        raise SettingsInvalid("; ".join(f"{PREFIX}{name}: {what}" for name, what in problems.items())) from None
    except (OSError, ValueError) as error:  # TOML that is none, a list that is no JSON
        raise SettingsInvalid(f"The settings cannot be read: {error}") from None


def settings_page() -> str:
    """`docs/settings.md`."""
    lines = [_INTRODUCTION, "| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{PREFIX}{name.upper()}` | {_shown_default(field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown_default(value: object) -> str:
    if value is None:
        return "none"
    return f"`{json.dumps(value)}`" if isinstance(value, bool | tuple) else f"`{value}`"


_INTRODUCTION: Final = f"""# Settings

Settings are read from the environment, then from a `.env` file in the working directory, then from the TOML file that
`{FILE_VARIABLE}` names (lower-case names without the prefix); the first one that says something wins. A file may hold
no other names than these. `event-issuer settings` prints this page.
"""

"""The first tables: who, contracts, the log, subscriptions and what became of their events.

Instants are microseconds since the epoch in BIGINT columns named `…_at_us`. JSON is text: both stores read it as it is.
"""

from collections.abc import Sequence

from event_issuer.db.work import Dialect

VERSION = 1
NAME = "initial"

_TABLES = """
CREATE TABLE tenants (
    id {serial},
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);
CREATE TABLE principals (
    id {serial},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE TABLE api_keys (
    id {serial},
    principal_id BIGINT NOT NULL REFERENCES principals (id),
    prefix TEXT NOT NULL,
    digest {bytes} NOT NULL UNIQUE,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT,
    revoked_at_us BIGINT
);
CREATE TABLE policies (
    id {serial},
    principal_id BIGINT REFERENCES principals (id),
    tenant_id BIGINT REFERENCES tenants (id),
    action TEXT NOT NULL,
    event_type TEXT NOT NULL,
    source_prefix TEXT,
    created_at_us BIGINT NOT NULL,
    CHECK ((principal_id IS NULL) <> (tenant_id IS NULL))
);
CREATE INDEX policies_of_principal ON policies (principal_id);
CREATE INDEX policies_of_tenant ON policies (tenant_id);
CREATE TABLE audit_entries (
    id {serial},
    at_us BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    principal_id BIGINT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id BIGINT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE event_types (
    id {serial},
    name TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    description TEXT NOT NULL,
    audience TEXT NOT NULL,
    compatibility TEXT NOT NULL,
    validation TEXT NOT NULL,
    status TEXT NOT NULL,
    sunset_at_us BIGINT,
    partition_count INTEGER NOT NULL,
    deduplicates BOOLEAN NOT NULL,
    retention_s BIGINT,
    retention_bytes BIGINT,
    created_at_us BIGINT NOT NULL
);
CREATE TABLE schema_versions (
    id {serial},
    event_type_id BIGINT NOT NULL REFERENCES event_types (id),
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    example TEXT,
    created_at_us BIGINT NOT NULL,
    UNIQUE (event_type_id, version)
);
CREATE TABLE partitions (
    id {serial},
    event_type_id BIGINT NOT NULL REFERENCES event_types (id),
    number INTEGER NOT NULL,
    UNIQUE (event_type_id, number)
);
CREATE TABLE log_identity (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id TEXT NOT NULL
);
CREATE TABLE log_heads (
    partition_id BIGINT PRIMARY KEY REFERENCES partitions (id),
    first_offset BIGINT NOT NULL,
    next_offset BIGINT NOT NULL,
    recorded_at_us BIGINT NOT NULL,
    kept_bytes BIGINT NOT NULL
);
CREATE TABLE log_records (
    partition_id BIGINT NOT NULL,
    log_offset BIGINT NOT NULL,
    recorded_at_us BIGINT NOT NULL,
    schema_version INTEGER,
    attributes {bytes} NOT NULL,
    data {bytes},
    PRIMARY KEY (partition_id, log_offset)
);
CREATE TABLE dedupe_entries (
    identity_digest {bytes} PRIMARY KEY,
    content_digest {bytes} NOT NULL,
    partition_id BIGINT NOT NULL,
    log_offset BIGINT NOT NULL,
    recorded_at_us BIGINT NOT NULL
){clustered};
CREATE INDEX dedupe_entries_by_age ON dedupe_entries (recorded_at_us);
CREATE TABLE subscriptions (
    id {serial},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    principal_id BIGINT NOT NULL REFERENCES principals (id),
    application_id TEXT NOT NULL,
    url TEXT NOT NULL,
    status TEXT NOT NULL,
    filter TEXT,
    content_mode TEXT NOT NULL,
    ordering TEXT NOT NULL,
    delivery TEXT NOT NULL,
    settings_version INTEGER NOT NULL,
    verification TEXT NOT NULL,
    verification_attempts INTEGER NOT NULL,
    verify_at_us BIGINT,
    verified_at_us BIGINT,
    api_key_header TEXT,
    authentication_kind TEXT,
    sealed_credentials {bytes},
    sealed_signing_secret {bytes} NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT
);
CREATE INDEX subscriptions_of_tenant ON subscriptions (tenant_id, id);
CREATE TABLE subscription_event_types (
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    event_type_id BIGINT NOT NULL REFERENCES event_types (id),
    PRIMARY KEY (subscription_id, event_type_id)
);
CREATE INDEX subscriptions_of_event_type ON subscription_event_types (event_type_id);
CREATE TABLE leases (
    partition_id BIGINT PRIMARY KEY REFERENCES partitions (id),
    owner TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL
);
CREATE TABLE lanes (
    id {serial},
    subscription_id BIGINT NOT NULL REFERENCES subscriptions (id),
    partition_id BIGINT NOT NULL REFERENCES partitions (id),
    replay_id BIGINT,
    start_offset BIGINT NOT NULL,
    next_offset BIGINT NOT NULL,
    settled_above TEXT NOT NULL
);
CREATE INDEX lanes_of_partition ON lanes (partition_id);
CREATE INDEX lanes_of_subscription ON lanes (subscription_id);
CREATE TABLE parked_events (
    id {serial},
    lane_id BIGINT NOT NULL,
    subscription_id BIGINT NOT NULL,
    partition_id BIGINT NOT NULL,
    log_offset BIGINT,
    partitionkey TEXT,
    blocks_key BOOLEAN NOT NULL,
    followers_from BIGINT,
    attempts INTEGER NOT NULL,
    parked_at_us BIGINT NOT NULL,
    next_attempt_at_us BIGINT,
    dead_lettered_at_us BIGINT,
    last_outcome TEXT,
    last_error TEXT
);
CREATE INDEX parked_events_of_lane ON parked_events (lane_id);
CREATE INDEX parked_events_of_subscription ON parked_events (subscription_id, id);
CREATE TABLE attempts (
    id {serial},
    subscription_id BIGINT NOT NULL,
    partition_id BIGINT,
    log_offset BIGINT,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    started_at_us BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    http_status INTEGER,
    error TEXT,
    response_excerpt TEXT,
    trace_id TEXT NOT NULL
);
CREATE INDEX attempts_of_subscription ON attempts (subscription_id, id);
CREATE TABLE subscription_errors (
    id {serial},
    subscription_id BIGINT NOT NULL,
    message TEXT NOT NULL,
    trace_id TEXT,
    http_status INTEGER,
    created_at_us BIGINT NOT NULL
);
CREATE INDEX errors_of_subscription ON subscription_errors (subscription_id, id);
CREATE TABLE changes (
    id {serial},
    topic TEXT NOT NULL,
    object_id BIGINT NOT NULL,
    at_us BIGINT NOT NULL
);
CREATE INDEX changes_by_age ON changes (at_us);
"""

# PostgreSQL tells the processes that listen at the commit; with SQLite they look again and again.
_NOTIFICATION = (
    """
    CREATE FUNCTION notify_of_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_notify(''event_issuer_changes'', NEW.topic); RETURN NULL; END'
    """,
    "CREATE TRIGGER changes_notify AFTER INSERT ON changes FOR EACH ROW EXECUTE FUNCTION notify_of_change()",
)

_WORDS = {
    "sqlite": {
        # AUTOINCREMENT: an id that was given away is never given again, even after a delete.
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "bytes": "BLOB",
        "clustered": " WITHOUT ROWID",
    },
    "postgresql": {
        "serial": "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        "bytes": "BYTEA",
        "clustered": "",
    },
}


def statements(dialect: Dialect) -> Sequence[str]:
    script = _TABLES.format(**_WORDS[dialect])
    tables = [statement.strip() for statement in script.split(";") if statement.strip()]
    return [*tables, *_NOTIFICATION] if dialect == "postgresql" else tables

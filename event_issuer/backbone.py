"""The backbone: the log that the settings name, in the database or on Kafka."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from event_issuer.contracts.judging import OutsideJudge
from event_issuer.db.database import Database
from event_issuer.domain.errors import SettingsInvalid
from event_issuer.domain.time import Clock
from event_issuer.eventlog.embedded import open_embedded_log
from event_issuer.eventlog.kafka.connection import KafkaConnection, Login, Sasl, Tls, parse_servers, token_file
from event_issuer.eventlog.kafka.log import open_kafka_log
from event_issuer.eventlog.kafka.topics import TopicRules
from event_issuer.eventlog.protocol import EventLog
from event_issuer.settings import Settings
from event_issuer.telemetry.metrics import Metrics

EMBEDDED: Final = "embedded"


@asynccontextmanager
async def open_log(
    settings: Settings, database: Database, clock: Clock, judge: OutsideJudge, metrics: Metrics
) -> AsyncIterator[EventLog]:
    """Raises SettingsInvalid, and Unavailable while Kafka cannot be reached."""
    if settings.log_url == EMBEDDED:
        yield await open_embedded_log(
            database,
            clock,
            os.urandom(8).hex(),
            cache_bytes_max=settings.page_cache_bytes_max,
            judge=judge.verdicts,
            metrics=metrics,
        )
        return
    log = await open_kafka_log(
        database,
        connection_of(settings),
        rules_of(settings),
        clock,
        judge.record_rules,
        cache_bytes_max=settings.page_cache_bytes_max,
        judge=judge.verdicts,
        metrics=metrics,
    )
    try:
        yield log
    finally:
        await log.close()


def connection_of(settings: Settings) -> KafkaConnection:
    """Raises SettingsInvalid."""
    _refuse_idle(settings)
    tls = Tls(settings.kafka_tls_authorities, settings.kafka_tls_certificate, settings.kafka_tls_key)
    return KafkaConnection(
        parse_servers(settings.log_url),
        settings.kafka_client_id,
        settings.kafka_timeout_s,
        tls if settings.kafka_tls else None,
        _login_of(settings),
    )


def _refuse_idle(settings: Settings) -> None:
    """What protects nothing because another setting is missing is a mistake that nobody would notice."""
    if not settings.kafka_tls and (
        settings.kafka_tls_authorities or settings.kafka_tls_certificate or settings.kafka_tls_key
    ):
        raise SettingsInvalid("EVENT_ISSUER_KAFKA_TLS is not set, and the files for TLS are: set it to true")
    if settings.kafka_sasl is None and (settings.kafka_user or settings.kafka_password or settings.kafka_token_file):
        raise SettingsInvalid("EVENT_ISSUER_KAFKA_SASL is not set, and what to log in with is: name the mechanism")


def _login_of(settings: Settings) -> Login | None:
    if settings.kafka_sasl is None:
        return None
    mechanism = Sasl(settings.kafka_sasl)
    if mechanism is Sasl.OAUTHBEARER:
        if settings.kafka_token_file is None:
            raise SettingsInvalid("OAUTHBEARER wants EVENT_ISSUER_KAFKA_TOKEN_FILE")
        return Login(mechanism, token=token_file(settings.kafka_token_file))
    if settings.kafka_user is None or settings.kafka_password is None:
        raise SettingsInvalid(f"{mechanism} wants EVENT_ISSUER_KAFKA_USER and EVENT_ISSUER_KAFKA_PASSWORD")
    return Login(mechanism, settings.kafka_user, settings.kafka_password.get_secret_value())


def rules_of(settings: Settings) -> TopicRules:
    """Raises SettingsInvalid."""
    return TopicRules(
        template=settings.kafka_topic,
        managed=settings.kafka_topics_managed,
        replicas=settings.kafka_replicas or -1,
        retention_s=settings.retention_s,
        retention_bytes=settings.retention_bytes,
        data_bytes_max=settings.data_bytes_max,
        structured=settings.kafka_content_mode == "structured",
    )

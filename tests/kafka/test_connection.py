"""How Kafka is reached: addresses, TLS and logins, against a broker that wants them."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from event_issuer.backbone import connection_of, rules_of
from event_issuer.domain.errors import SettingsInvalid, Unavailable
from event_issuer.eventlog.kafka.client import KafkaClient
from event_issuer.eventlog.kafka.connection import parse_servers
from event_issuer.eventlog.kafka.topics import TopicRules
from event_issuer.eventlog.protocol import TypeStorage
from event_issuer.settings import load_settings
from tests.kafka.apache import ApacheKafka, missing_tools
from tests.kafka.process import NoKafka, free_port

PASSWORD = "correct-horse"
_BEARER = "org.apache.kafka.common.security.oauthbearer"


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("kafka://one:9093", ["one:9093"]),
        ("kafka://one,two:9093/", ["one:9092", "two:9093"]),
        ("kafka://[::1]:9093,[::1]", ["[::1]:9093", "[::1]:9092"]),
    ],
)
def test_servers_of_a_url(url: str, servers: list[str]) -> None:
    assert parse_servers(url) == servers


@pytest.mark.parametrize("url", ["kafka://", "kafka://one:", "kafka://one:0", "kafka://me@one:9092", "kafka://a,,b"])
def test_a_url_that_names_no_servers(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"right are `embedded` and kafka://host:port,host:port"):
        parse_servers(url)


def test_a_refused_url_is_not_shown() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        parse_servers(f"kafka://me:{PASSWORD}@one:9092")
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kafka_sasl": "PLAIN", "kafka_user": "me"}, "PLAIN wants EVENT_ISSUER_KAFKA_USER and EVENT_ISSUER_KAFKA_PAS"),
        ({"kafka_sasl": "OAUTHBEARER"}, "OAUTHBEARER wants EVENT_ISSUER_KAFKA_TOKEN_FILE"),
        ({"kafka_tls_authorities": "/nowhere.pem"}, "EVENT_ISSUER_KAFKA_TLS is not set, and the files for TLS are"),
        ({"kafka_user": "me"}, "EVENT_ISSUER_KAFKA_SASL is not set, and what to log in with is"),
        ({"kafka_tls": True, "kafka_tls_authorities": "/nowhere.pem"}, "The TLS files for Kafka cannot be used"),
    ],
)
def test_a_login_that_lacks_something(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsInvalid, match=message):
        connection_of(load_settings(log_url="kafka://one:9092", **settings)).options()


@pytest.mark.parametrize("template", ["events", "a b.{event_type}", "{event_type}/x", "x" * 50 + "{event_type}"])
def test_a_template_that_names_no_topics(template: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^topics cannot be named '"):
        rules_of(load_settings(kafka_topic=template))


def test_what_an_event_type_does_not_say_the_settings_do() -> None:
    rules = TopicRules("company.{event_type}", retention_s=60, retention_bytes=None, data_bytes_max=2_000_000)
    assert rules.topic_of("train.arrived.v1") == "company.train.arrived.v1"
    plain = rules.settings_of(TypeStorage("train.arrived.v1", 1))
    assert plain == {
        "cleanup.policy": "delete",
        "retention.ms": "60000",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "2065536",
    }
    own = rules.settings_of(TypeStorage("train.arrived.v1", 1, 3600, 5_000_000, compacts=True))
    assert own == plain | {
        "cleanup.policy": "compact,delete",
        "retention.ms": "3600000",
        "retention.bytes": "5000000",
    }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApacheKafka, str, Path]]:
    """A broker with a second listener that wants TLS and a login; its address, and the authority's certificate."""
    folder: Path = tmp_path_factory.mktemp("secured")
    certificate, key = self_signed()
    (folder / "authority.pem").write_bytes(certificate)
    (folder / "broker.pem").write_bytes(key + certificate)
    if missing_tools():
        pytest.skip(f"no Apache Kafka without {' and '.join(missing_tools())}")
    address = f"127.0.0.1:{free_port()}"
    try:
        broker = ApacheKafka(folder / "broker")
        broker.settings = _secured(broker, address, folder / "broker.pem")
        broker.start()
    except NoKafka as problem:
        pytest.skip(f"no Kafka: {problem}")
    at = ("--bootstrap-server", broker.address, "--entity-type", "users", "--entity-name", "issuer")
    try:
        broker.run("kafka.admin.ConfigCommand", *at, "--alter", "--add-config", f"SCRAM-SHA-512=[password={PASSWORD}]")
        yield broker, address, folder / "authority.pem"
    finally:
        broker.kill()


def self_signed() -> tuple[bytes, bytes]:
    """A certificate for loopback and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(*form)


def _secured(broker: ApacheKafka, address: str, keys: Path) -> dict[str, str]:
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    bearer = f"{_BEARER}.OAuthBearerLoginModule required"
    unsecured = f"{_BEARER}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    listener = "listener.name.secured."
    return {
        "listeners": f"{broker.listeners},SECURED://{address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
        f"{listener}ssl.keystore.type": "PEM",
        f"{listener}ssl.keystore.location": str(keys),
        f"{listener}sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER,SCRAM-SHA-512",
        f"{listener}plain.sasl.jaas.config": f'{plain} user_issuer="{PASSWORD}";',
        f"{listener}scram-sha-512.sasl.jaas.config": scram,
        f"{listener}oauthbearer.sasl.jaas.config": f'{bearer} unsecuredLoginStringClaim_sub="broker";',
        f"{listener}oauthbearer.sasl.server.callback.handler.class": unsecured,
    }


def token() -> str:
    """An unsecured one, which this broker takes."""
    now = int(time.time())
    parts = [{"alg": "none"}, {"sub": "issuer", "iat": now, "exp": now + 600}]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, ""])


async def cluster_at(address: str, **settings: Any) -> str | None:
    client = KafkaClient(connection_of(load_settings(log_url=f"kafka://{address}", kafka_timeout_s=3, **settings)))
    try:
        await client.open()
        await client.ping()
        return client.cluster_id
    finally:
        await client.close()


async def test_tls_and_logins(secured: tuple[ApacheKafka, str, Path], tmp_path: Path) -> None:
    broker, address, authority = secured
    known = await cluster_at(broker.address)
    assert known is not None
    over_tls = {"kafka_tls": True, "kafka_tls_authorities": str(authority)}
    login = {"kafka_user": "issuer", "kafka_password": PASSWORD}
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        assert await cluster_at(address, **over_tls, **login, kafka_sasl=mechanism) == known
    (tmp_path / "token").write_text(token() + "\n")
    bearer = {"kafka_sasl": "OAUTHBEARER", "kafka_token_file": str(tmp_path / "token")}
    assert await cluster_at(address, **over_tls, **bearer) == known
    scram = {**over_tls, **login, "kafka_sasl": "SCRAM-SHA-512"}
    for wrong in ({**scram, "kafka_password": "battery"}, {**scram, "kafka_tls_authorities": None}, {}):
        with pytest.raises(Unavailable, match="Kafka cannot be reached") as refused:
            await cluster_at(address, **wrong)
        assert "battery" not in str(refused.value)

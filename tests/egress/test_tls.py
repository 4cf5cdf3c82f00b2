"""The sender over TLS: whom it trusts, and what it says of the steps to a connection."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from event_issuer.egress.messages import Failure, FailureKind, Opening, Response
from event_issuer.egress.sender import WebhookSender
from tests.egress.names import Names
from tests.egress.posts import outgoing
from tests.egress.receiver import OK, Receivers, answer, answer_and_close

NAME = "hooks.example.com"
OTHER = "other.example.com"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A file with a key and a certificate for NAME that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "authority.pem"
    file.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def serving(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


@pytest.fixture
async def sender(authority: Path, names: Names) -> AsyncIterator[WebhookSender]:
    names[NAME] = names[OTHER] = ["127.0.0.1"]
    sender = WebhookSender(names, tls=ssl.create_default_context(cafile=str(authority)))
    yield sender
    await sender.close()


def opening_of(outcome: Response | Failure) -> Opening:
    assert outcome.timings.opening is not None
    return outcome.timings.opening


async def test_a_new_connection_tells_each_step(
    receivers: Receivers, serving: ssl.SSLContext, sender: WebhookSender
) -> None:
    receiver = await receivers(answer(OK), tls=serving)
    url = f"https://{NAME}:{receiver.port}/hook"

    first, second = await sender.send(outgoing(url)), await sender.send(outgoing(url))

    assert isinstance(first, Response)
    dns_s, connect_s, tls_s = opening_of(first)
    assert dns_s is not None
    assert connect_s is not None
    assert tls_s is not None
    assert first.timings.first_byte_s is not None
    assert min(dns_s, connect_s, tls_s) > 0
    assert dns_s + connect_s + tls_s + first.timings.first_byte_s <= first.timings.total_s
    assert isinstance(second, Response)
    assert second.timings.opening is None
    assert (receiver.server_names, len(receiver.requests)) == ([NAME], 2)


async def test_a_certificate_for_another_name_is_not_trusted(
    receivers: Receivers, serving: ssl.SSLContext, sender: WebhookSender
) -> None:
    receiver = await receivers(answer(OK), tls=serving)

    outcome = await sender.send(outgoing(f"https://{OTHER}:{receiver.port}/hook"))

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.TLS
    assert outcome.message.startswith(f"the certificate of https://{OTHER}:{receiver.port} is not trusted: ")
    opening = opening_of(outcome)
    assert opening.connect_s is not None
    assert (opening.tls_s, outcome.timings.first_byte_s) == (None, None)
    assert (receiver.requests, sender.pool.open_count) == ([], 0)


async def test_an_endpoint_that_speaks_no_tls_fails_in_the_handshake(
    receivers: Receivers, sender: WebhookSender
) -> None:
    receiver = await receivers(answer_and_close(b"HTTP/1.1 400 No TLS\r\n\r\n"), eager=True)

    outcome = await sender.send(outgoing(f"https://{NAME}:{receiver.port}/hook"))

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.TLS
    assert opening_of(outcome).tls_s is None
    assert sender.pool.open_count == 0

"""Standard Webhooks signatures, symmetric (`v1`): HMAC-SHA256 over `id.timestamp.body`.

Source: Standard Webhooks specification 1.0, "Signature scheme". Secrets are `whsec_` and base64 of 32 bytes.
"""

import base64
import hmac
from binascii import b2a_base64

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"


def encode_secret(key: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(key).decode()


def signature_lines(key: bytes, webhook_id: str, timestamp_s: int, body: bytes) -> bytes:
    """The three header lines of one request, each ending in CRLF. `webhook_id` has no dot and stays across retries."""
    signed = b"%b.%d.%b" % (webhook_id.encode(), timestamp_s, body)
    signature = b2a_base64(hmac.digest(key, signed, "sha256"), newline=False)
    return b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: v1,%b\r\n" % (
        webhook_id.encode(),
        timestamp_s,
        signature,
    )

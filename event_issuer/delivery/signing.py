"""Standard Webhooks signatures, symmetric (`v1`): HMAC-SHA256 over `id.timestamp.body`.

Source: Standard Webhooks specification 1.0, "Signature scheme".
"""

import hmac
from binascii import b2a_base64


def signature_lines(key: bytes, webhook_id: bytes, timestamp_s: int, body: bytes) -> bytes:
    """The three header lines of one request, each ending in CRLF. `webhook_id` has no dot and stays across retries."""
    signed = b"%b.%d.%b" % (webhook_id, timestamp_s, body)
    signature = b2a_base64(hmac.digest(key, signed, "sha256"), newline=False)
    return b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: v1,%b\r\n" % (
        webhook_id,
        timestamp_s,
        signature,
    )

"""Sealing: secrets at rest, encrypted with AES-256-GCM under a key that never enters the database.

A sealed value is `version byte | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag`; its purpose is bound in as
associated data, so that one secret cannot be put in another's place. Source: NIST SP 800-38D for the nonce length.
"""

import base64
import binascii
import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from event_issuer.domain.errors import SettingsInvalid

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
# The purposes there are.
SIGNING_SECRET: Final = "subscription.signing_secret"
CREDENTIALS: Final = "subscription.credentials"
REGISTRY_CREDENTIALS: Final = "schema_registry.credentials"
_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 4


class Sealer:
    """One key for now; the key id in each value lets others join. Its repr shows no key."""

    def __init__(self, key: bytes) -> None:
        self._key_id = hashlib.sha256(b"event-issuer key id" + key).digest()[:_KEY_ID_BYTES]
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, *, purpose: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return _VERSION + self._key_id + nonce + self._cipher.encrypt(nonce, secret, purpose.encode())

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """Raises SettingsInvalid when the value was sealed with another key, or was changed."""
        key_id = sealed[1 : 1 + _KEY_ID_BYTES]
        if sealed[:1] != _VERSION or key_id != self._key_id:
            raise SettingsInvalid("A stored secret was sealed with another key; set the sealing key it was made with.")
        body = sealed[1 + _KEY_ID_BYTES :]
        try:
            return self._cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], purpose.encode())
        except InvalidTag:
            raise SettingsInvalid("A stored secret cannot be unsealed: it was changed or moved.") from None


def parse_sealing_key(text: str) -> bytes:
    """A key as operators set it: 32 bytes in base64. Raises SettingsInvalid, never showing the value."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsInvalid(
            f"The sealing key is {KEY_BYTES} random bytes in base64; `event-issuer key new` makes one."
        )
    return key


def new_sealing_key() -> str:
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()

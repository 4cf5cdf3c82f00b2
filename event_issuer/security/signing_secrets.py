"""The symmetric signing secret of a subscription, as Standard Webhooks shows it: `whsec_` and base64 of 32 bytes."""

import base64
import os
from typing import Final

SECRET_BYTES: Final = 32
SECRET_PREFIX: Final = "whsec_"


def new_signing_key() -> bytes:
    return os.urandom(SECRET_BYTES)


def shown_secret(key: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(key).decode()


def spellings_of(key: bytes) -> tuple[str, ...]:
    """How the key is written in texts: base64 (which the shown secret ends in), base64url and hexadecimal."""
    return (base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("="), key.hex())

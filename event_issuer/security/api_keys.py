"""API keys: 32 random bytes that are shown once and stored as a SHA-256 digest.

A key is `eik_` and base64url; its first characters stay visible as a prefix, so that people can tell keys apart. The
digest needs no salt and no stretching: the key has 256 bits of its own.
"""

import base64
import hashlib
import os
from typing import Final

KEY_PREFIX: Final = "eik_"
KEY_BYTES: Final = 32
KEY_LENGTH_MAX: Final = 128  # longer ones are refused before they are hashed
PREFIX_LENGTH: Final = 12


def new_api_key() -> str:
    return KEY_PREFIX + base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode().rstrip("=")


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def visible_prefix(key: str) -> str:
    return key[:PREFIX_LENGTH]

"""Entity tags: a strong one for a body, and whether a client has it already (RFC 9110 §8.8.3, §13.1.2)."""

import hashlib


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether the header names this tag, by weak comparison."""
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in if_none_match.split(","))

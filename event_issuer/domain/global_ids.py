"""Global ids as they are written: opaque to callers, `kind:key` in base64url to us. Knows no objects."""

import base64


def encode_id(kind: str, *keys: int | str) -> str:
    return base64.urlsafe_b64encode(":".join([kind, *map(str, keys)]).encode()).decode().rstrip("=")

"""MurmurHash2 of 32 bits as Kafka's Java client has it: the same key meets the same partition, whoever writes it.

Knows no partition.
"""

import struct
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


@lru_cache(maxsize=1_024)  # of the keys in use; each is at most some KiB long, and most are short
def murmur2(data: bytes) -> int:
    """Unsigned; the Java client's has a sign."""
    length = len(data)
    hashed = _SEED ^ length
    for (word,) in struct.iter_unpack("<I", data[: length & ~3]):
        word = word * _FACTOR & _MASK
        word = (word ^ word >> 24) * _FACTOR & _MASK
        hashed = hashed * _FACTOR & _MASK ^ word
    tail = data[length & ~3 :]
    if tail:
        hashed = (hashed ^ int.from_bytes(tail, "little")) * _FACTOR & _MASK
    hashed = (hashed ^ hashed >> 13) * _FACTOR & _MASK
    return hashed ^ hashed >> 15

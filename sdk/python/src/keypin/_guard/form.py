"""The form of a key: a prefix of 2 to 48 characters, an underscore, 26 random characters
and 6 that are the CRC-32 of all before them, in base 62."""

from __future__ import annotations

from binascii import crc32
from hashlib import sha256

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = 6
_SECRET = 26 + _CHECKSUM
_SHORTEST = 2 + 1 + _SECRET
_LONGEST = 48 + 1 + _SECRET


def may_be_key(text: str) -> bool:
    """Whether it is as long as a key, and ASCII."""
    return _SHORTEST <= len(text) <= _LONGEST and text.isascii()


def hash_of(key: str) -> bytes:
    """The SHA-256 by which a key is known."""
    return sha256(key.encode()).digest()


def well_formed(key: str) -> bool:
    """Whether the checksum of what may be a key fits. What else is wrong the service tells."""
    if key[-_SECRET - 1] != "_":
        return False
    rest = crc32(key[:-_CHECKSUM].encode())
    for character in reversed(key[-_CHECKSUM:]):
        rest, digit = divmod(rest, 62)
        if character != _ALPHABET[digit]:
            return False
    return True

"""Keys of a round of secure aggregation, and the random masks that they make."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from trainlet.errors import StateError, ToolchainError

KEY_BYTES = 32


def _library(name: str) -> Any:
    try:
        return import_module(f"cryptography.hazmat.primitives.{name}")
    except ImportError:
        raise ToolchainError("secure aggregation needs cryptography, which is not installed; "
                             "install trainlet[secure]") from None  # fmt: skip


@dataclass(frozen=True)
class PublicKeys:
    """What a device tells all others: the keys of its messages and of its masks, 32 bytes each."""

    sealing: bytes
    masking: bytes


def new_key() -> bytes:
    """A private X25519 key."""
    return _library("asymmetric.x25519").X25519PrivateKey.generate().private_bytes_raw()


def public(key: bytes) -> bytes:
    """The public key of a private one."""
    made = _library("asymmetric.x25519").X25519PrivateKey.from_private_bytes(key)
    return made.public_key().public_bytes_raw()


def agreed(key: bytes, other: bytes, purpose: bytes) -> bytes:
    """The 32 bytes that two devices have in common and nobody else knows (X25519, then HKDF).

    Raises StateError for a public key that gives no secret.
    """
    curve, hkdf = _library("asymmetric.x25519"), _library("kdf.hkdf")
    try:
        secret = curve.X25519PrivateKey.from_private_bytes(key).exchange(
            curve.X25519PublicKey.from_public_bytes(other)
        )
    except ValueError as error:
        raise StateError(f"a device's public key is not valid: {error}") from None
    derive = hkdf.HKDF(_library("hashes").SHA256(), KEY_BYTES, None, b"trainlet " + purpose)
    return derive.derive(secret)


def sealed(key: bytes, sender: int, receiver: int, text: bytes) -> bytes:
    """A message that only the receiver can read or have made (ChaCha20-Poly1305).

    key: of this pair and this round, for one message in either direction
    """
    cipher = _library("ciphers.aead").ChaCha20Poly1305(key)
    return cipher.encrypt(sender.to_bytes(12, "big"), text, receiver.to_bytes(4, "big"))


def opened(key: bytes, sender: int, receiver: int, message: bytes) -> bytes:
    """The text of a sealed message; raises StateError if it is not that sender's."""
    from cryptography.exceptions import InvalidTag

    cipher = _library("ciphers.aead").ChaCha20Poly1305(key)
    try:
        return cipher.decrypt(sender.to_bytes(12, "big"), message, receiver.to_bytes(4, "big"))
    except InvalidTag:
        raise StateError(f"the shares from device {sender} for device {receiver} are not "
                         "authentic") from None  # fmt: skip


def mask(seed: bytes, size: int) -> np.ndarray:
    """Random uint32 [size] out of 32 secret bytes (the key stream of ChaCha20)."""
    ciphers = _library("ciphers")
    stream = ciphers.Cipher(ciphers.algorithms.ChaCha20(seed, bytes(16)), None).encryptor()
    return np.frombuffer(stream.update(bytes(4 * size)), "<u4").astype(np.uint32)

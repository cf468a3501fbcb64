"""Secrets at rest, and what is derived from their keys.

A secret is stored as `<key id>:<Fernet token>`. The token's plaintext carries the identity of the place it was made for
(`database_connections/12/password`), so that a value moved to another place does not decrypt. The key id (the first 8
hex digits of the key's SHA-256) tells which key is needed without trying any.

Keys are Fernet keys: the first encrypts, all decrypt. From each one further keys are derived (HKDF-SHA256, one purpose
each) for digests and sealed tokens.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Undecryptable(Exception):
    """A value was not made by any of the keys, or not for this place."""


class SecretBox:
    """Encrypts, digests and seals with a ring of Fernet keys. Raises ValueError for a key that is none."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one key is needed")
        # One key has many spellings (padding, white space): only the one that it decodes to counts.
        self._keys = tuple(urlsafe_b64encode(urlsafe_b64decode(key)) for key in keys)
        self.key_ids = tuple(hashlib.sha256(key).hexdigest()[:8] for key in self._keys)
        self._fernets = {identifier: Fernet(key) for identifier, key in zip(self.key_ids, self._keys, strict=True)}
        self._any = MultiFernet(list(self._fernets.values()))
        self._derivations: dict[str, tuple[bytes, ...]] = {}
        self._sealed_by: dict[str, tuple[AESSIV, ...]] = {}

    @staticmethod
    def new_key() -> str:
        """A fresh random key."""
        return Fernet.generate_key().decode()

    def encrypt(self, identity: str, secret: str) -> str:
        """The secret as it may lie in the database at `identity`."""
        plain = json.dumps([identity, secret]).encode()
        return f"{self.key_ids[0]}:{self._any.encrypt(plain).decode()}"

    def decrypt(self, identity: str, stored: str) -> str:
        """The secret that was encrypted for `identity`; Undecryptable otherwise."""
        key_id, _, token = stored.partition(":")
        try:
            made_for, secret = json.loads(self._fernets.get(key_id, self._any).decrypt(token.encode()))
        except (InvalidToken, ValueError, TypeError):
            raise Undecryptable(identity) from None
        if made_for != identity:
            raise Undecryptable(identity)
        return str(secret)

    @staticmethod
    def key_id(stored: str) -> str:
        """The id of the key that a stored secret needs."""
        return stored.partition(":")[0]

    def digest(self, purpose: str, data: bytes) -> bytes:
        """A keyed digest of 32 bytes by the first key."""
        return self.digests(purpose, data)[0]

    def digests(self, purpose: str, data: bytes) -> tuple[bytes, ...]:
        """The keyed digests of 32 bytes by every key, the first key's first."""
        return tuple(hmac.digest(key, data, "sha256") for key in self._derived(purpose))

    def fast_digest(self, purpose: str, data: bytes) -> str:
        """A keyed digest as 24 hex digits by the first key: for etags, where speed counts."""
        return self.fast_digests(purpose, [data])[0]

    def fast_digests(self, purpose: str, many: Iterable[bytes]) -> list[str]:
        """The fast digest of each of many."""
        keyed = hashlib.blake2b(key=self._derived(purpose)[0], digest_size=12)
        digests = []
        for data in many:
            digest = keyed.copy()
            digest.update(data)
            digests.append(digest.hexdigest())
        return digests

    def seal(self, purpose: str, data: bytes, context: bytes) -> str:
        """An opaque URL-safe text that only `unseal` with the same purpose and context opens.

        Deterministic (AES-SIV, RFC 5297): the same data in the same context is the same text.
        """
        sealed = self._sealers(purpose)[0].encrypt(data, [context])
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def unseal(self, purpose: str, text: str, context: bytes) -> bytes | None:
        """What was sealed; None when the text was changed, or sealed for another purpose or context."""
        try:
            sealed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:
            return None
        if urlsafe_b64encode(sealed).rstrip(b"=").decode() != text:
            return None
        for sealer in self._sealers(purpose):
            try:
                return sealer.decrypt(sealed, [context])
            except (InvalidTag, ValueError):
                continue
        return None

    def derive(self, purpose: str, salt: bytes, key_id: str) -> bytes:
        """A key of 32 bytes from the key of that id for one purpose and salt; Undecryptable where there is none."""
        if key_id not in self.key_ids:
            raise Undecryptable(key_id)
        key = self._keys[self.key_ids.index(key_id)]
        return HKDF(SHA256(), 32, salt=salt, info=purpose.encode()).derive(key)

    def _derived(self, purpose: str) -> tuple[bytes, ...]:
        """A key of 64 bytes from each key, for one purpose. Purposes are few and fixed."""
        found = self._derivations.get(purpose)
        if found is None:
            found = self._derivations[purpose] = tuple(
                HKDF(SHA256(), 64, salt=None, info=purpose.encode()).derive(key) for key in self._keys
            )
        return found

    def _sealers(self, purpose: str) -> tuple[AESSIV, ...]:
        found = self._sealed_by.get(purpose)
        if found is None:
            found = self._sealed_by[purpose] = tuple(AESSIV(key) for key in self._derived(purpose))
        return found

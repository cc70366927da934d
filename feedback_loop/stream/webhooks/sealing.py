"""Sealing: what endpoints share with us, their secrets and URLs, is unreadable in the database without the pepper."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from feedback_ingest.canonical import Pepper
from feedback_ingest.errors import FeedbackError

NONCE_BYTES = 12


class Unsealable(FeedbackError):
    """A sealed secret or URL cannot be opened: it was sealed with another pepper; make the endpoint anew."""

    code = "unsealable"


class Sealer:
    """AES-256-GCM under a key that only the pepper gives; each text is bound to the endpoint it belongs to."""

    def __init__(self, pepper: Pepper) -> None:
        self._cipher = AESGCM(pepper.key(b"webhooks"))

    def seal(self, text: str, endpoint_id: str) -> bytes:
        """`text` as it may lie in a table."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), endpoint_id.encode())

    def open(self, sealed: bytes, endpoint_id: str) -> str:
        """The text again; raises Unsealable."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], endpoint_id.encode()).decode()
        except InvalidTag as error:
            raise Unsealable() from error

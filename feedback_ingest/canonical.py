"""Canonical JSON, the fingerprint of an event's content and the pseudonym of a person, all from one secret pepper."""

import base64
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings
from feedback_ingest.strict_json import MAX_NUMBER


def canonical_json(value: Any) -> bytes:
    """JSON with sorted names and no spaces; integral floats are written as integers, so `5.0` and `5` are one value."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    # Within ±2^53 an integral float is always written with ".0"; text that holds it costs a second look, no more.
    if b".0" in text:
        return orjson.dumps(_with_integers(value), option=orjson.OPT_SORT_KEYS)
    return text


def _with_integers(value: Any) -> Any:
    if isinstance(value, float):
        # Beyond what a double holds exactly it stays a float: no event may hold it, and the writer could not write it.
        return int(value) if abs(value) <= MAX_NUMBER and value.is_integer() else value
    if isinstance(value, dict):
        return {name: _with_integers(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_integers(member) for member in value]
    return value


class Pepper:
    """The secret behind fingerprints and pseudonyms (keyed BLAKE2b, RFC 7693).

    Without it nobody can guess low-entropy content, a thumb or an e-mail address, from its digest.
    """

    def __init__(self, secret: bytes) -> None:
        self._content = blake2b(key=secret[:64], person=b"content", digest_size=32)
        self._person = blake2b(key=secret[:64], person=b"person", digest_size=20)
        self._check = blake2b(key=secret[:64], person=b"check", digest_size=8)
        self._key = blake2b(key=secret[:64], person=b"key", digest_size=32)

    def fingerprint(self, content: bytes) -> bytes:
        """32 bytes that stand for an event's canonical content."""
        mac = self._content.copy()
        mac.update(content)
        return mac.digest()

    def pseudonym(self, project_id: int, user_id: str) -> str:
        """A stable name for a person within one project: `p_` and 32 characters, not reversible."""
        mac = self._person.copy()
        mac.update(f"{project_id}\0{user_id}".encode())
        return "p_" + base64.b32encode(mac.digest()).decode().lower()

    def key(self, purpose: bytes) -> bytes:
        """32 bytes to encrypt with, another one for each purpose; they tell nothing of the pepper or of each other."""
        mac = self._key.copy()
        mac.update(purpose)
        return mac.digest()

    def check(self) -> str:
        """A digest that tells two peppers apart; the project row keeps it."""
        return self._check.hexdigest()


def load_pepper(settings: Settings) -> Pepper:
    """The pepper of `settings`, or of the data directory's file `pepper`, made on first use; raises SetupError."""
    if settings.pepper:
        return Pepper(settings.pepper.encode())
    path = Path(settings.data_dir) / "pepper"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(base64.b64encode(os.urandom(32)))
        except FileExistsError:
            pass
        secret = path.read_bytes()
    except OSError as error:
        raise SetupError(f"cannot keep the pepper in {path}: {error.strerror}; set FEEDBACK_PEPPER") from error
    if len(secret) < 32:
        raise SetupError(f"the pepper in {path} is incomplete; remove the file if the log is empty")
    return Pepper(secret)

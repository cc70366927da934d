"""The Idempotency-Key header: how it is written, and the feedback_id it stands for."""

import re
from uuid import UUID, uuid5

from feedback_ingest.errors import Fault, ValidationFailed

NAMESPACE = UUID("6f1c1c0e-8a57-5d0f-9b0e-3c5b6f5e2a11")
MAX_KEY = 255
QUOTED = re.compile(r'\A"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"\Z')
PLAIN = re.compile(r"\A[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+\Z")  # no quote, comma or semicolon


def read_key(text: str) -> str:
    """The key that a header's value writes, a structured-field string or a plain token; raises ValidationFailed."""
    quoted = QUOTED.match(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not 0 < len(key) <= MAX_KEY or not (quoted or PLAIN.match(text)) or not key.strip():
        raise ValidationFailed("The Idempotency-Key is not 1 to 255 visible characters.", (Fault("", "bad-key"),))
    return key


def feedback_id_of(project_id: int, key: str, index: int) -> str:
    """The feedback_id of the event at `index` of a request sent under `key`: UUIDv5 of project, key and index."""
    return str(uuid5(NAMESPACE, f"{project_id}/{index}/{key}"))

"""What a request may ask for beside its body: the query's parameters and the Idempotency-Key; nothing is ignored."""

from typing import Any
from urllib.parse import parse_qsl

from api.receiver.bodies import header
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_ingest.idempotency import read_key


def query(scope: dict[str, Any], *allowed: str) -> dict[str, str]:
    """The parameters of the query, each one of `allowed` and given once; raises ValidationFailed."""
    if not scope["query_string"]:
        return {}
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise ValidationFailed("The query is not one.", (Fault("", "bad-query"),)) from None
    given = dict(pairs)
    if len(given) != len(pairs) or given.keys() - set(allowed):
        raise ValidationFailed("The query has a parameter that is not taken here.", (Fault("", "unknown-parameter"),))
    return given


def is_atomic(scope: dict[str, Any]) -> bool:
    """Whether the batch is to be stored whole or not at all; raises ValidationFailed."""
    given = query(scope, "atomic").get("atomic", "false")
    if given not in ("true", "false"):
        raise ValidationFailed("The parameter atomic is true or false.", (Fault("", "bad-query"),))
    return given == "true"


def idempotency_key(scope: dict[str, Any]) -> str | None:
    """The key of the one Idempotency-Key header, or None; raises ValidationFailed."""
    values = header(scope, b"idempotency-key")
    if not values:
        return None
    if len(values) > 1:
        raise ValidationFailed("There is more than one Idempotency-Key.", (Fault("", "bad-key"),))
    return read_key(values[0].strip())

"""Which version answers in the champion's shadow: said by facts of the log alone, told to who serves, never served."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from feedback_ingest import log
from feedback_ingest.canonical import Pepper
from feedback_ingest.clock import new_id
from feedback_ingest.errors import NotFound
from feedback_ingest.log import Fact
from feedback_loop.registry.champions import lock_model
from feedback_loop.registry.lineage import facts_of
from feedback_loop.registry.tables import KnownVersion

SHADOWED, ENDED = "model_shadowed", "model_shadow_ended"


class Shadow(NamedTuple):
    """A version that answers beside the champion, since an offset of the log and the time of its receipt."""

    version: KnownVersion
    since_offset: int
    since: datetime


class Ended(NamedTuple):
    """The version that was let go, and the place of the fact that says so."""

    model_version: str
    log_offset: int


def shadows(session: Session, project_id: int) -> dict[str, Shadow]:
    """The shadow of each model of a project that has one, by the model's name."""
    newest = {fact.body["model_name"]: fact for fact in facts_of(session, project_id, (SHADOWED, ENDED))}
    found = {}
    for name, fact in newest.items():
        if fact.kind == SHADOWED:
            known = session.get(KnownVersion, (project_id, name, fact.body["model_version"]))
            if known is not None:
                found[name] = Shadow(known, fact.log_offset, fact.received_at)
    return found


def begin(session: Session, version: KnownVersion, told: Mapping[str, Any], now: datetime, pepper: Pepper) -> int:
    """Lets a version answer in the shadow, in place of another one; the fact's offset. The caller commits, soon.

    `told` goes into the fact: the gate's reasons and evaluation, or who decided.
    """
    lock_model(session, version.project_id, version.model_name)
    body = {"model_name": version.model_name, "model_version": version.model_version, **told}
    return _append(session, version.project_id, SHADOWED, body, now, pepper)


def end(
    session: Session, project_id: int, model_name: str, told: Mapping[str, Any], now: datetime, pepper: Pepper
) -> Ended:
    """Lets the model's shadow go. The caller commits, soon. Raises NotFound where it has none."""
    lock_model(session, project_id, model_name)
    found = shadows(session, project_id).get(model_name)
    if found is None:
        raise NotFound("no version of that model answers in the shadow")
    version = found.version.model_version
    body = {"model_name": model_name, "model_version": version, **told}
    return Ended(version, _append(session, project_id, ENDED, body, now, pepper))


def _append(
    session: Session, project_id: int, kind: str, body: Mapping[str, Any], now: datetime, pepper: Pepper
) -> int:
    [appended] = log.append(session, [Fact(project_id, kind, str(new_id()), dict(body), now)], now, pepper)
    return appended.log_offset

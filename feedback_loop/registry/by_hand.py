"""Models moved by hand: what a person decides about the versions on the shelf, alike from the API and the shell."""

from datetime import datetime

from sqlmodel import Session

from feedback_ingest.decisions import Decider
from feedback_ingest.errors import Fault, ValidationFailed
from feedback_loop.registry import champions, shadows
from feedback_loop.registry.tables import Champion, KnownVersion

REFUSALS = {
    "no-artifact": "It was registered without an artifact, which nobody can load; register it with one.",
    "no-champion": "No version of the model serves that it could answer beside; promote one first.",
    "serves": "It serves already; name another version.",
}
"""Why a version cannot answer in the shadow, and what to do, by the code that is told."""


def promote(session: Session, decider: Decider, known: KnownVersion, reason: str, now: datetime) -> Champion:
    """Lets a version serve, without the gate; from then on it is in nobody's shadow. The caller commits, soon."""
    registered = champions.registered_of(known)
    moved = champions.promote(
        session, registered, reason, now, decider.pepper, known.dataset_version, actor=decider.actor
    )  # fmt: skip
    beside = shadows.shadows(session, known.project_id).get(known.model_name)
    if beside is not None and beside.version.model_version == known.model_version:
        told = {"reason": "promoted by hand", "actor": decider.actor}
        shadows.end(session, known.project_id, known.model_name, told, now, decider.pepper)
    return moved


def let_shadow(session: Session, decider: Decider, known: KnownVersion, reason: str, now: datetime) -> int:
    """Lets a version answer in the champion's shadow, in place of another one there; the fact's offset.

    The caller commits, soon. Raises ValidationFailed where it cannot.
    """
    serving = champions.champion(session, known.project_id, known.model_name)
    code = None
    if known.artifact_uri is None:
        code = "no-artifact"
    elif serving is None:
        code = "no-champion"
    elif serving.model_version == known.model_version:
        code = "serves"
    if code is not None:
        raise ValidationFailed(REFUSALS[code], (Fault("/model_version", code),))
    told = {"reason": reason, "actor": decider.actor}
    return shadows.begin(session, known, told, now, decider.pepper)


def end_shadow(session: Session, decider: Decider, project_id: int, model_name: str, now: datetime) -> shadows.Ended:
    """Lets the version in the shadow go. The caller commits, soon. Raises NotFound where there is none."""
    told = {"reason": "by hand", "actor": decider.actor}
    return shadows.end(session, project_id, model_name, told, now, decider.pepper)

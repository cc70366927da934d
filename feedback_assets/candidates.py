"""A candidate's way: trained on a dataset, put on the shelf, compared with the champion, promoted or refused.

What good is, and who wins, is said in `feedback_loop.learning`; here it is carried out.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from feedback_assets import facts
from feedback_assets.gate import Comparison, compare
from feedback_assets.gate_evidence import Sides, evidence
from feedback_assets.own_training import OwnModel, Script, is_own
from feedback_assets.references import with_read_inputs
from feedback_assets.resources import LogResource
from feedback_ingest.clock import new_id, utc_now
from feedback_loop.learning.gate_checks import Limits
from feedback_loop.learning.promotion import Evaluation, Verdict, checked, golden_rows, past_corrections
from feedback_loop.learning.training import TrainedModel, train
from feedback_loop.registry import dataset_shelf
from feedback_loop.registry.champions import champion, load_artifact, promote
from feedback_loop.registry.shadows import begin
from feedback_loop.registry.shelf import ALIAS, CHALLENGER, RegisteredModel, follow_alias, read_artifact, register
from feedback_loop.registry.tables import Champion, KnownVersion

if TYPE_CHECKING:
    import ibis

Row = Mapping[str, Any]
Trained = TrainedModel | OwnModel


def train_candidate(log: LogResource, dataset: Row, script: Script) -> tuple[RegisteredModel, Trained]:
    """Trains on a compiled dataset, registers the model under the dataset's name and appends `model_trained`.

    Where the settings name a training command it is `script` that trains. Raises TooLittleToLearn, ScriptFailed.
    """
    root = dataset_shelf.root(log.settings.data_dir, dataset["project_id"])
    found = dataset_shelf.read(root, dataset["dataset_version"])
    model: Trained
    if log.settings.training_command:
        model = script.train(found, dataset["seed"])
    else:
        model = train(found.rows().to_pylist(), dataset["seed"])
    params = {"chosen": model.chosen, "seed": dataset["seed"], "rows": model.rows, "row_digest": dataset["row_digest"]}
    metrics = (
        dict(model.metrics)
        if isinstance(model, OwnModel)
        else {
            f"{learner}_{name}": score for learner, scores in model.validation.items() for name, score in scores.items()
        }
    )
    if isinstance(model, OwnModel):
        params |= {f"param_{name}": value for name, value in log.settings.training_params.items()}
    registered = register(
        log.database,
        log.settings,
        dataset["model_name"],
        model.to_bytes(),
        dataset["dataset_version"],
        metrics,
        params,
        {"dataset_version": dataset["dataset_version"], "log_offset": str(dataset["log_offset"])},
        dataset["project_id"],
    )
    follow_alias(log.database, registered.project_id, registered.model_name, registered.model_version, CHALLENGER)
    told = {name: dataset[name] for name in ("model_name", "dataset_version", "rows")}
    body = {**told, "model_version": registered.model_version, "chosen": model.chosen}
    with log.session() as session:
        name = registered.model_version
        facts.append(session, log.pepper, registered.project_id, facts.MODEL_TRAINED, name, body, utc_now())
    return registered, model


def compared(log: LogResource, candidate: Row, labeled: "ibis.Table", script: Script) -> Comparison:
    """The candidate and the champion on the newest golden rows, save those whose inputs cannot be read, and checked."""
    wanted = golden_rows(labeled, candidate["project_id"], candidate["model_name"]).to_pyarrow().to_pylist()
    golden, excluded = with_read_inputs(log, candidate["project_id"], wanted)
    with log.session() as session:
        serving = champion(session, candidate["project_id"], candidate["model_name"])
        version, model = incumbent(session, serving, golden)
        is_scripts = is_own(session, candidate["project_id"], candidate["model_name"], candidate["model_version"])
        promoted_at = serving.log_offset if serving is not None else 0
    artifact = read_artifact(candidate["artifact_uri"], candidate["artifact_sha256"])
    ours: Trained = OwnModel(script, artifact, candidate["rows"]) if is_scripts else TrainedModel.from_bytes(artifact)
    found = compare(golden, candidate["model_version"], ours, version, model)
    settled = past_corrections(labeled, candidate["project_id"], candidate["model_name"], promoted_at)
    cases, _ = with_read_inputs(log, candidate["project_id"], settled.to_pyarrow().to_pylist())
    known = evidence(log, found, Sides(ours, model), cases)
    return found._replace(excluded=excluded, findings=checked(known, Limits(latency_ms=log.settings.gate_latency_ms)))


def incumbent(session: Session, serving: Champion | None, golden: Sequence[Row]) -> tuple[str, TrainedModel | None]:
    """The version to beat and its model: the champion, or before a first promotion whoever answered last.

    A champion that a script trained is taken at its logged word, as one without an artifact.
    """
    if serving is None:
        return (golden[0]["model_version"] if golden else ""), None
    named = (serving.project_id, serving.model_name, serving.model_version)
    has_artifact = serving.artifact_uri is not None and not is_own(session, *named)
    return serving.model_version, TrainedModel.from_bytes(load_artifact(serving)) if has_artifact else None


def carry_out(log: LogResource, candidate: Row, verdict: Verdict, evaluation: Row) -> str:
    """Promotes the candidate, lets it answer in the shadow or refuses it, in one transaction with the fact that says
    so; the version that then serves.
    """
    registered = registered_of(candidate)
    with log.session() as session:
        if verdict.promote:
            promote(
                session,
                registered,
                "; ".join(verdict.reasons),
                utc_now(),
                log.pepper,
                candidate["dataset_version"],
                evaluation,
                instead_of=evaluation["champion_version"],
            )
            return registered.model_version
        body = {
            "model_name": registered.model_name,
            "model_version": registered.model_version,
            "dataset_version": candidate["dataset_version"],
            "reasons": verdict.reasons,
            "evaluation": evaluation,
        }
        known = session.get(KnownVersion, (registered.project_id, registered.model_name, registered.model_version))
        if goes_into_shadow(log, verdict) and known is not None:
            begin(session, known, body, utc_now(), log.pepper)
        else:
            name = str(new_id())
            facts.append(session, log.pepper, registered.project_id, facts.MODEL_REFUSED, name, body, utc_now())
    return str(evaluation["champion_version"])


def goes_into_shadow(log: LogResource, verdict: Verdict) -> bool:
    """Whether the candidate answers beside the champion; only where the settings ask for it."""
    return verdict.shadow and not verdict.promote and log.settings.gate_shadow


def tell_mlflow(log: LogResource, candidate: Row, alias: str = ALIAS) -> None:
    """Lets an alias of MLflow follow what was decided already."""
    follow_alias(log.database, candidate["project_id"], candidate["model_name"], candidate["model_version"], alias)


def registered_of(candidate: Row) -> RegisteredModel:
    """The registered model of a row of `candidate_model`."""
    return RegisteredModel(
        candidate["project_id"],
        candidate["model_name"],
        candidate["model_version"],
        candidate["artifact_uri"],
        candidate["artifact_sha256"],
    )


def summary(candidate: Evaluation, champion: Evaluation) -> dict[str, Any]:
    """Both evaluations in the words of the facts: plain names for the candidate, `champion_…` for the champion."""
    return {
        "accuracy": round(candidate.accuracy, 6),
        "rows": candidate.rows,
        "recent_accuracy": round(candidate.recent_accuracy, 6),
        "recent_rows": candidate.recent_rows,
        "champion_version": champion.model_version,
        "champion_accuracy": round(champion.accuracy, 6),
        "champion_recent_accuracy": round(champion.recent_accuracy, 6),
        "row_digest": candidate.row_digest,
    }

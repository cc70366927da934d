"""The whole HTTP side: the receiver, and beside it what reads, pages and administration need."""

from fastapi import FastAPI

from api import (
    actors,
    admin,
    aggregates,
    bias,
    browsers,
    champion_moves,
    consumers,
    contract,
    dataset_requests,
    datasets,
    dry_run,
    fidelity,
    label_studio,
    latency,
    lineage,
    links,
    log,
    models,
    otlp,
    policies,
    quarantine,
    reads,
    replay_buffer,
    review,
    review_intake,
    review_policies,
    routes,
    rules,
    shadows,
    status,
    training_queue,
    triggers,
    wakeups,
    webhooks,
)
from api.pages import dashboard, files, sign_in
from api.pages import lineage as lineage_page
from api.pages import review as review_page
from api.pages.visitors import TurnedAway, turn_away
from api.receiver import create_app, thin
from feedback_ingest.settings import Settings

ROOMS = (
    wakeups,
    champion_moves,
    log,
    aggregates,
    consumers,
    training_queue,
    triggers,
    contract,
    dataset_requests,
    datasets,
    dry_run,
    bias,
    fidelity,
    label_studio,
    latency,
    lineage,
    links,
    models,
    otlp,
    policies,
    reads,
    replay_buffer,
    review,
    review_intake,
    review_policies,
    routes,
    rules,
    shadows,
    status,
    actors,
    admin,
    quarantine,
    webhooks,
    sign_in,
    dashboard,
    review_page,
    lineage_page,
    files,
)


def create_whole_app(settings: Settings | None = None) -> FastAPI:
    """The receiver's app with every other route."""
    app = create_app(settings)
    for room in ROOMS:
        app.include_router(room.router)
    app.include_router(browsers.beside)
    app.add_exception_handler(TurnedAway, turn_away)
    return app


app = thin(create_whole_app())

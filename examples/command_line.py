"""The command line of an application that serves a champion; JSON lines out, commands (one a line) in."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.serving_app import ServingApp


def main(name: str, wanted: str, first_rows: Callable[[int], list[dict[str, Any]]], app: type[ServingApp]) -> None:
    """Two verbs: `first-model` trains the model one already has, on `first_rows` of a seed; `run` is the app.

    `wanted` says in words what comes in at a rate.
    """
    parser = argparse.ArgumentParser(prog=name)
    verbs = parser.add_subparsers(dest="verb", required=True)
    first = verbs.add_parser("first-model", help="train the first model, offline")
    first.add_argument("--out", type=Path, required=True)
    first.add_argument("--seed", type=int, default=0)
    run = verbs.add_parser("run", help="serve, log, and let the users speak; the key comes from FEEDBACK_KEY")
    run.add_argument("--url", default="http://127.0.0.1:8000")
    run.add_argument("--model-name", default=name)
    run.add_argument("--rate", type=float, default=50.0, help=f"{wanted} per second")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--drift-after", type=float, default=None, help="seconds until the drift; default: never")
    run.add_argument("--ledger", type=Path, default=Path("ledger.jsonl"), help="when each accepted event was durable")
    options = parser.parse_args()
    if options.verb == "first-model":
        from feedback_loop.learning.training import train

        options.out.write_bytes(train(first_rows(options.seed), options.seed).to_bytes())
    else:
        asyncio.run(_run(options, app))


async def _run(options: argparse.Namespace, kind: type[ServingApp]) -> None:
    from examples.outbox import Outbox
    from examples.serving_app import Plan, counts_event, speak
    from feedback_loop.learning.training import TrainedModel
    from feedback_loop.registry.served_model import ServedModel

    key = os.environ["FEEDBACK_KEY"]
    outbox = Outbox(options.url, key, options.ledger)
    served = ServedModel(options.url, key, options.model_name, TrainedModel.from_bytes)
    app = kind(Plan(options.model_name, options.rate, options.seed, options.drift_after), served, outbox, speak)
    commands = asyncio.create_task(_obey(app))
    commands.add_done_callback(lambda task: setattr(app, "is_stopping", True))
    try:
        await app.run()
        if commands.done():
            commands.result()  # raises what ended it, if it was not asked to stop
        commands.cancel()
        speak({**counts_event(app), "is_final": True})
    finally:
        await outbox.close()
        served.close()


async def _obey(app: ServingApp) -> None:
    """`counts`, `measure` and `stop` on stdin; the end of stdin stops, so a killed parent leaves no app behind."""
    from examples.serving_app import counts_event, speak

    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while True:
        command = (await lines.readline()).decode().strip()
        if command == "counts":
            speak(counts_event(app))
        elif command == "measure":
            speak({"event": "measured", "accuracy": await asyncio.to_thread(app.measure)})
        elif command in ("", "stop"):
            return


def labelled(inputs: Any, label: str) -> dict[str, Any]:
    """A row that a model is trained on."""
    return {"inputs": json.dumps(inputs), "label": json.dumps(label)}

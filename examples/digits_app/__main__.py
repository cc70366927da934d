"""`python -m examples.digits_app`: runs the app against a feedback API; JSON lines out, commands (one a line) in."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Two verbs: `first-model` trains the model one already has, `run` is the app."""
    parser = argparse.ArgumentParser(prog="digits_app", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    first = verbs.add_parser("first-model", help="train on 400 images of the old scanner, offline")
    first.add_argument("--out", type=Path, required=True)
    first.add_argument("--seed", type=int, default=0)
    run = verbs.add_parser("run", help="serve, log, and let the users speak; the key comes from FEEDBACK_KEY")
    run.add_argument("--url", default="http://127.0.0.1:8000")
    run.add_argument("--model-name", default="digits")
    run.add_argument("--rate", type=float, default=50.0, help="images per second")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--drift-after", type=float, default=None, help="seconds until the other scanner; default: never")
    run.add_argument("--ledger", type=Path, default=Path("ledger.jsonl"), help="when each accepted event was durable")
    options = parser.parse_args()
    if options.verb == "first-model":
        _first_model(options.out, options.seed)
    else:
        asyncio.run(_run(options))


def _first_model(out: Path, seed: int) -> None:
    import numpy as np

    from examples.digits_app.images import scan, split
    from feedback_loop.learning.training import train

    part = split().first_training
    pixels = scan(part.pixels, np.random.default_rng(seed)).tolist()
    rows = [
        {"inputs": json.dumps({"pixels": row}), "label": json.dumps(label)}
        for row, label in zip(pixels, part.labels, strict=True)
    ]
    out.write_bytes(train(rows, seed).to_bytes())


async def _run(options: argparse.Namespace) -> None:
    from examples.digits_app.app import DigitsApp, Plan, counts_event, speak
    from examples.digits_app.outbox import Outbox
    from feedback_loop.learning.training import TrainedModel
    from feedback_loop.registry.served_model import ServedModel

    key = os.environ["FEEDBACK_KEY"]
    outbox = Outbox(options.url, key, options.ledger)
    served = ServedModel(options.url, key, options.model_name, TrainedModel.from_bytes)
    plan = Plan(options.model_name, options.rate, options.seed, options.drift_after)
    app = DigitsApp(plan, served, outbox, speak)
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


async def _obey(app: object) -> None:
    """`counts`, `measure` and `stop` on stdin; the end of stdin stops, so a killed parent leaves no app behind."""
    from examples.digits_app.app import DigitsApp, counts_event, speak

    assert isinstance(app, DigitsApp)
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


if __name__ == "__main__":
    main()

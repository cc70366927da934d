"""`feedback psql` reaches the log's database, whichever it is, and keeps its password out of the process list."""

import os
import subprocess
import sys

from feedback_cli.commands.psql import psql_command
from feedback_ingest.postgres import Database


def test_psql_answers_from_the_log(database: Database) -> None:
    """A query given with psql's own options is answered on standard output, and a wrong one fails."""
    environment = {**os.environ, "FEEDBACK_DATABASE_URL": database.asyncpg_dsn}
    program = [sys.executable, "-m", "feedback_cli", "psql", "--csv", "-c"]

    count = subprocess.run(
        [*program, "SELECT count(*) AS events FROM staging.feedback_events"],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    wrong = subprocess.run([*program, "SELECT nothing"], env=environment, capture_output=True, text=True, timeout=60)

    assert count.stdout == "events\n0\n", count.stderr
    assert count.returncode == 0
    assert wrong.returncode == 1


def test_the_password_is_not_an_argument() -> None:
    """Other users of a machine can read arguments, so the password goes by the environment."""
    program, where, variables = psql_command("postgresql://me:secret%20word@db.example:5433/log?sslmode=require")

    assert "secret" not in program + where
    assert variables["PGPASSWORD"] == "secret word"
    assert set(where.removeprefix("--dbname=").split()) == {
        "user=me", "host=db.example", "port=5433", "dbname=log", "sslmode=require",
    }  # fmt: skip

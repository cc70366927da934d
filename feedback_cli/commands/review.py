"""`feedback review`: the tables of human review, which are folded from the log."""

import typer

review = typer.Typer(help="Human review: fold its tables from the log again.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(review, name="review")


@review.command("rebuild")
def rebuild() -> None:
    """Empty the queues' tables and read them from the log again; leases end, no label is lost.

    Example: feedback review rebuild
    """
    from sqlmodel import Session

    from feedback_ingest.postgres import open_database
    from feedback_loop.review import folding

    database = open_database()
    try:
        with Session(database.engine) as session:
            last = folding.rebuild(session)
            session.commit()
    finally:
        database.close()
    typer.echo(f"folded the log up to {last}")

"""The command `feedback`: finds its subcommands in feedback_cli/commands; tells errors in one line."""

import importlib
import pkgutil
import sys

import typer

from feedback_cli import commands
from feedback_ingest.errors import FeedbackError


def build() -> typer.Typer:
    """The command with every subcommand of the folder."""
    app = typer.Typer(
        name="feedback",
        help="The feedback loop for models in production.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for found in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{found.name}").register(app)
    return app


def main() -> None:
    """Runs the command; what an operator can mend is told in one line, with exit code 1."""
    try:
        build()()
    except FeedbackError as error:
        print(f"feedback: {error.detail}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)

"""Lets `python -m feedback_cli` be the command `feedback`, for processes that must use this very interpreter."""

from feedback_cli.main import main

if __name__ == "__main__":
    main()

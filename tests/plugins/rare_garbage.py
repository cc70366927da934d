"""Garbage is collected rarely while tests run: looking at all that a test process holds was an eighth of its work."""

import gc

YOUNG = 100_000
"""Objects made and not let go of before they are looked at; Python's own number is 700."""


def pytest_collection_finish() -> None:
    """What was imported until now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def pytest_unconfigure() -> None:
    """What was put aside goes as it would have gone: some libraries call what stays to the end a leak."""
    gc.unfreeze()

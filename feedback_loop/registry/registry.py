"""The registry in one import: what is on the shelf, and which of it serves."""

from feedback_loop.registry.champions import ChampionMoved, champion, load_artifact, promote
from feedback_loop.registry.shelf import RegisteredModel, VersionTaken, follow_alias, read_artifact, register

__all__ = [
    "ChampionMoved",
    "RegisteredModel",
    "VersionTaken",
    "champion",
    "follow_alias",
    "load_artifact",
    "promote",
    "read_artifact",
    "register",
]

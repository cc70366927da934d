"""A schema that somebody sends by is never broken: it is published as a file, and the code is held against it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedback_ingest.feedback_types import collect
from feedback_ingest.schema_versions import breaking_changes, published, versions

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "schemas"
VERSIONS = [(name, version) for name, kind in collect().items() for version in versions(kind)]
Schema = dict[str, Any]


def on_file(name: str, version: str) -> Schema:
    """The schema as it was published."""
    return json.loads((FOLDER / f"{name}-{version}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_the_code_breaks_no_published_schema(name: str, version: str) -> None:
    """What could be sent by the file can be sent, and means what it meant."""
    kind = collect()[name]

    assert breaking_changes(on_file(name, version), published(kind, version), kind) == []


@pytest.mark.parametrize(("name", "version"), [pair for pair in VERSIONS if pair[1] != collect()[pair[0]].version])
def test_a_newer_version_breaks_no_older_one(name: str, version: str) -> None:
    """Whoever sends by an older version may leave `schema_version` out and be understood."""
    kind = collect()[name]

    assert breaking_changes(on_file(name, version), published(kind, kind.version), kind) == []


def test_every_published_schema_is_still_taken() -> None:
    """A version does not disappear: its file stands for a shape the door takes."""
    assert {path.stem for path in FOLDER.glob("*.json")} == {f"{name}-{version}" for name, version in VERSIONS}


def test_an_upcast_leaves_the_newest_alone() -> None:
    """A row that does not say its version is read from the oldest on; what the newest shape says stays as it was."""
    for kind in collect().values():
        for example in kind.examples:
            assert {name: kind.upcast(example)[name] for name in example} == example


def _properties(schema: Schema) -> Schema:
    return schema["$defs"][schema["$ref"].rpartition("/")[2]]["properties"]


def _require(schema: Schema) -> None:
    schema["$defs"][schema["$ref"].rpartition("/")[2]]["required"].append("comment")


def _mean_otherwise(schema: Schema) -> None:
    """The file says that the first example was worth something else."""
    schema["readings"][0]["reward"] = 0.1


PLANTED_IN_THE_CODE: dict[str, Callable[[Schema], Any]] = {
    "removed: /comment": lambda schema: _properties(schema).pop("comment"),
    "required: /comment": _require,
    "narrowed: /comment has maxLength 10": lambda schema: _properties(schema)["comment"].update(maxLength=10),
    "narrowed: /score has minimum 0": lambda schema: _properties(schema)["score"].update(minimum=0),
    "narrowed: /score is integer, not number": lambda schema: _properties(schema)["score"].update(type="integer"),
    "narrowed: /comment must match another pattern": lambda schema: _properties(schema)["comment"].update(pattern="x"),
    "narrowed: /aspect takes fewer values": lambda schema: _properties(schema)["aspect"].update(enum=["overall"]),
    "changed meaning: /scale_max is 10 where it is absent, not 5.0": lambda schema: _properties(schema)[
        "scale_max"
    ].update(default=10),
    "changed meaning: it feeds volume, not satisfaction": lambda schema: schema.update(metric="volume"),
}


@pytest.mark.parametrize("told", PLANTED_IN_THE_CODE)
def test_a_planted_breaking_change_is_found(told: str) -> None:
    """The check names each kind of breaking change there is."""
    kind = collect()["explicit_rating"]
    old = on_file("explicit_rating", "1.1")
    new = copy.deepcopy(published(kind, "1.1"))

    PLANTED_IN_THE_CODE[told](new)

    assert told in breaking_changes(old, new, kind)


def test_a_planted_change_of_meaning_is_found() -> None:
    """A value that now says something else than when it was published is a breaking change."""
    kind = collect()["explicit_rating"]
    old = on_file("explicit_rating", "1.0")
    _mean_otherwise(old)

    assert breaking_changes(old, published(kind, "1.0"), kind) == [f"changed meaning of {old['examples'][0]}"]


def test_a_lost_option_is_found() -> None:
    """A label may be text, a number or a truth value; a schema that takes only two of them is narrower."""
    kind = collect()["explicit_label"]
    old, new = on_file("explicit_label", "1.0"), copy.deepcopy(published(kind, "1.0"))
    _properties(new)["label"]["anyOf"].pop()

    assert any(change.startswith("narrowed: /label") for change in breaking_changes(old, new, kind))


def test_the_generator_will_not_overwrite_a_published_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make docs` after a breaking change fails with its name instead of publishing it."""
    from docs import generate

    kind = collect()["explicit_rating"]
    monkeypatch.setattr(kind, "metric", "volume")

    with pytest.raises(ValueError, match=r"explicit_rating-1\.\d.json .* it feeds volume"):
        generate.schemas()

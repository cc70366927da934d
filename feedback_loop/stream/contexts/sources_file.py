"""The sources file: which sources of context are asked, in YAML; every fault is told by its place and remedy."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from feedback_ingest.envelopes import shape_faults
from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings
from feedback_loop.learning.context import Asked
from feedback_loop.learning.enrichers import collect as collect_enrichers
from feedback_loop.learning.enrichers import collect_by_sample, collect_history, collect_judging
from feedback_loop.stream.context_sources import ContextSource, collect

NAME = re.compile(r"\A[a-z][a-z0-9_]{0,63}\Z")


def read_sources(settings: Settings) -> list[ContextSource]:
    """The sources of FEEDBACK_SOURCES_FILE by name; none where it is not set. Raises SetupError."""
    path = settings.sources_file
    return [] if path is None else [_source(path, each, settings) for each in _listed(path)]


def asked_sources(settings: Settings) -> list[Asked]:
    """Each of them with what it is asked about, which is all that the graph must know. Raises SetupError."""
    path = settings.sources_file
    return [] if path is None else [Asked(each.name, each.kind.about) for each in _listed(path)]


class _Entry(NamedTuple):
    name: str
    kind: type[ContextSource]
    options: dict[str, Any]


def _listed(path: Path) -> list[_Entry]:
    told = _yaml(path)
    listed = told.get("sources") if isinstance(told, dict) and set(told) == {"sources"} else None
    if not isinstance(listed, dict):
        raise SetupError(f"{path} holds nothing under the one name `sources`; write `sources:` and names below it")
    return [_entry(path, str(name), listed[name]) for name in sorted(listed, key=str)]


def _entry(path: Path, name: str, told: Any) -> _Entry:
    if not NAME.match(name):
        raise SetupError(f"{path} /sources/{name}: a name is 1 to 64 of a-z, 0-9 and _, and begins with a letter")
    if name in {**collect_enrichers(), **collect_by_sample(), **collect_history(), **collect_judging()}:
        raise SetupError(f"{path} /sources/{name}: an enricher is called so; choose another name")
    kind = collect().get(str(told.get("kind"))) if isinstance(told, dict) else None
    if kind is None:
        raise SetupError(f"{path} /sources/{name}/kind: name one of {', '.join(collect())}")
    return _Entry(name, kind, {field: value for field, value in told.items() if field != "kind"})


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}; check FEEDBACK_SOURCES_FILE") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" in line {where.line + 1}" if where else ""
        raise SetupError(f"{path} is not YAML{place}; write `sources:` and names below it") from error


def _source(path: Path, entry: _Entry, settings: Settings) -> ContextSource:
    try:
        return entry.kind(entry.name, msgspec.convert(entry.options, entry.kind.shape), settings)
    except msgspec.ValidationError as error:
        faults = shape_faults(entry.options, entry.kind.shape)
        said = "; ".join(f"/sources/{entry.name}{fault.pointer}: {fault.code}" for fault in faults)
        raise SetupError(f"{path} {said}; docs/how-to/enrich.md has the fields of a {entry.kind.name}") from error
    except SetupError as error:
        raise SetupError(f"{path} /sources/{error}") from error

"""Writes docs/reference from the code: `make docs` runs it, and a test fails when a page is out of date.

A page is a function here that returns Markdown; what it says comes from docstrings and declarations, never from here.
"""

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "reference"
NOTICE = "<!-- Written by `make docs` from the code. Edit the code, not this page. -->\n\n"
ITEM_CODES = {
    "malformed-json", "too-deep", "event-too-large", "validation-failed", "unstorable", "feedback-id-conflict",
    "inference-id-conflict",
}  # fmt: skip


def settings() -> str:
    """Every environment variable, its default and what it is for."""
    from feedback_ingest.settings import Settings

    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append((f"`FEEDBACK_{name.upper()}`", default, field.description or ""))
    opening = "# Settings\n\nEvery setting is an environment variable; without any, everything runs on one machine.\n\n"
    return opening + _table(("variable", "default", "meaning"), rows)


def problems() -> str:
    """The closed set of error codes."""
    from feedback_ingest.errors import every_code

    rows = []
    for code, (status, retryable, meaning) in sorted(every_code().items(), key=lambda item: (item[1][0], item[0])):
        where = "request or item" if code in ITEM_CODES else "request"
        rows.append((f"`{code}`", str(status), "yes" if retryable else "no", where, _one_line(meaning)))
    opening = (
        "# Error codes\n\nAn error is `application/problem+json` (RFC 9457); its `type` ends in the code.\n"
        "*Retryable* means that sending the same thing again may succeed and can never store it twice.\n\n"
    )
    return opening + _table(("code", "status", "retryable", "told about", "meaning"), rows)


def feedback_types() -> str:
    """Every feedback type with its fields and examples."""
    import msgspec

    from feedback_ingest.feedback_types import collect

    parts = [
        "# Feedback types\n\nThe shape of `feedback_value` for each `feedback_type`. Unknown fields are refused.\n"
    ]
    for name, shape in collect().items():
        schema = msgspec.json.schema(shape)["$defs"][shape.__name__]
        required = set(schema.get("required", ()))
        rows = [
            (f"`{field}`", _type(rule), "yes" if field in required else _default(rule))
            for field, rule in schema["properties"].items()
        ]
        examples = "\n".join(json.dumps(example) for example in shape.examples)
        parts.append(f"## {name}\n\n{inspect.getdoc(shape)}\n\n{_table(('field', 'type', 'required'), rows)}")
        parts.append(f"Metric when the event names none: `{shape.metric}`.\n\n```json\n{examples}\n```\n")
    return "\n".join(parts)


def commands() -> str:
    """Every subcommand of `feedback` with its options."""
    import typer.main

    from feedback_cli.main import build

    parts = ["# Commands\n\nWhat an operator can mend is told in one line, with exit code 1; a wrong option has 2.\n"]
    for name, command in _leaves("feedback", typer.main.get_command(build())):
        options = [
            (f"`{' '.join(option.opts)}`", _one_line(option.help or ""))
            for option in command.params
            if option.param_type_name == "option" and option.name != "help"
        ]
        arguments = [f" {option.name.upper()}" for option in command.params if option.param_type_name == "argument"]
        text, _, example = (inspect.cleandoc(command.help or "")).partition("Example: ")
        parts.append(f"## {name}{''.join(arguments)}\n\n{text.strip()}\n")
        parts.append(f"```sh\n{example.strip()}\n```\n" if example else "")
        parts.append(_table(("option", "meaning"), options) if options else "")
    return "\n".join(part for part in parts if part)


def http() -> str:
    """Every operation of the HTTP API."""
    from api.app import create_whole_app

    paths: dict[str, dict[str, Any]] = create_whole_app().openapi()["paths"]
    rows = [
        (f"`{method.upper()} {path}`", operation.get("summary", ""))
        for path, operations in sorted(paths.items())
        for method, operation in operations.items()
    ]
    opening = (
        "# HTTP operations\n\nA running API describes itself: `/docs` to read and try, `/openapi.json` for machines. "
        "Keys go in the header `Authorization: Bearer ...`.\n\n"
    )
    return opening + _table(("operation", "what it does"), rows)


def grpc() -> str:
    """Every method of the gRPC service, and the .proto to generate a client from."""
    proto = Path(importlib.import_module("api.grpc_door.generate").PROTO).read_text("utf-8")
    service = proto[proto.index("service ") : proto.index("\n}\n")]
    rows = []
    for comment, method in re.findall(r"((?:  //.*\n)+)  rpc (\w+)", service):
        rows.append((f"`{method}`", _one_line(comment.replace("//", ""))))
    opening = (
        "# gRPC\n\n`feedback.v1.FeedbackIngestion`, beside health and reflection. What a status means is in its "
        'details: `ErrorInfo.metadata["code"]` is one of the [error codes](problems.md).\n\n'
    )
    published = f"\n## feedback.proto\n\nAlso at `api/grpc_door/feedback.proto`.\n\n```proto\n{proto}```\n"
    return opening + _table(("method", "what it does"), rows) + published


def expectations() -> str:
    """Every rule that feedback is validated against after it was received."""
    rules = importlib.import_module("expectations.rules").collect().values()
    rows = [(f"`{rule.name}`", rule.severity, _one_line(rule.description)) for rule in rules]
    opening = (
        "# Expectations\n\nWhat the door cannot see about a single event; each is an asset check in Dagster. One of "
        "severity `error` blocks where too much fails. [Four](../how-to/demand-consistency.md) are as strict as a "
        "project's policy says.\n\n"
    )
    return opening + _table(("rule", "severity", "what must hold"), rows)


def metrics() -> str:
    """What each metric counts, out of what, and what silence means in it; and the kinds of a project's own."""
    module = importlib.import_module("feedback_loop.learning.metrics")
    registered = importlib.import_module("feedback_loop.learning.metrics._registered")
    doors = importlib.import_module("feedback_ingest.doors.metrics")
    intervals = importlib.import_module("feedback_loop.learning.metrics._interval")
    parts = [
        "# Metrics\n\nEach is a ratio per model, version, segment and bucket of event time, kept exactly: feedback "
        "that is taken back, edited or attributed late moves it. [Windows](../explanation/windows.md) add buckets up. "
        "`GET /v1/metrics` says the same of a project, its own metrics among them.\n"
    ]
    for name, metric in module.collect().items():
        description, direction, *_ = doors.BUILT_IN[name]
        types = ", ".join(f"`{each}`" for each in sorted(metric.feedback_types or ())) or "every type"
        better = "" if direction == "none" else f" {direction.capitalize()} is better."
        parts.append(f"## {name}\n\n{description}{better}\n\n{inspect.getdoc(metric)}\n\n{_made_of(metric, types)}")
    parts.append(f"## Of a project's own\n\n{inspect.getdoc(doors.NewMetric)}\n")
    for kind in registered.KINDS.values():
        parts.append(f"### {kind.name}\n\n{inspect.getdoc(kind)}\n\n{_made_of(kind, 'whatever names the metric')}")
    functions = {"wilson": intervals.interval, "poisson": intervals.poisson, "normal": intervals.normal}
    rows = [(f"`{name}`", _one_line(inspect.getdoc(of) or "")) for name, of in functions.items()]
    parts.append(f"## Intervals\n\nAll are of 95 %.\n\n{_table(('interval', 'what it is'), rows)}")
    parts.append(f"## Segments\n\n{_after_title('feedback_loop.learning.segments')}\n")
    return "\n".join(parts)


def _made_of(metric: Any, types: str) -> str:
    rows = [(name, getattr(metric, name)) for name in ("numerator", "denominator")]
    rows += [("silence is", metric.silence), ("interval", f"`{metric.interval}`"), ("reads", types)]
    return _table(("", ""), rows)


def _after_title(module: str) -> str:
    """What a module's docstring says below its first line."""
    return (inspect.getdoc(importlib.import_module(module)) or "").partition("\n\n")[2]


PAGES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "problems": problems,
    "feedback-types": feedback_types,
    "commands": commands,
    "http": http,
    "grpc": grpc,
    "expectations": expectations,
    "metrics": metrics,
}


def pages() -> dict[Path, str]:
    """Every generated page: its file and what must stand in it."""
    return {FOLDER / f"{name}.md": NOTICE + page().rstrip() + "\n" for name, page in PAGES.items()} | schemas()


def schemas() -> dict[Path, str]:
    """Every published schema; raises ValueError where the code would break one, which takes a new version instead."""
    from feedback_ingest.feedback_types import collect
    from feedback_ingest.schema_versions import breaking_changes, published, versions

    texts = {}
    for name, kind in collect().items():
        if kind.__module__.startswith("feedback_ingest."):
            for version in versions(kind):
                path, schema = FOLDER / "schemas" / f"{name}-{version}.json", published(kind, version)
                broken = breaking_changes(json.loads(path.read_text("utf-8")), schema, kind) if path.exists() else []
                if broken:
                    raise ValueError(f"{path.name} is published and would break: {'; '.join(broken)}")
                texts[path] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def main() -> None:
    """Writes all pages."""
    (FOLDER / "schemas").mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(FOLDER.parents[1]))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _default(rule: dict[str, Any]) -> str:
    return f"no, `{json.dumps(rule['default'])}`" if "default" in rule else "no"


def _type(rule: dict[str, Any]) -> str:
    """A JSON Schema as words: `list of string`, `number 0..1`, `string | integer | boolean`."""
    if "anyOf" in rule:
        return " | ".join(dict.fromkeys(_type(option) for option in rule["anyOf"]))
    if "enum" in rule:
        return ", ".join(f"`{json.dumps(value)}`" for value in rule["enum"])
    if rule.get("type") == "array":
        items = _type(rule.get("items", {}))
        return f"list of ({items})" if "|" in items else f"list of {items}"
    if "$ref" in rule:
        return "object"
    low, high = rule.get("minimum"), rule.get("maximum")
    bounds = f" {low}..{high}" if low is not None and high is not None and abs(high) < 2**50 else ""
    longest = f" ≤ {rule['maxLength']:,}" if "maxLength" in rule else ""
    return f"{rule.get('type', 'any JSON')}{bounds}{longest}"


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for word, child in sorted(command.commands.items()):
            yield from _leaves(f"{name} {word}", child)
    else:
        yield name, command


if __name__ == "__main__":
    main()

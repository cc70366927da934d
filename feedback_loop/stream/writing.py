"""Many new rows in one COPY; the order of a table's columns is taken from its SQLModel class."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from psycopg import Cursor, sql
from sqlmodel import SQLModel


def columns(table: type[SQLModel]) -> tuple[str, ...]:
    """The names of `table`'s columns, in the order that `copy` takes their values."""
    return tuple(column.name for column in table.__table__.columns)  # type: ignore[attr-defined]


def copy(cursor: Cursor[Any], table: type[SQLModel], rows: Iterable[Sequence[Any]]) -> None:
    """Appends `rows`, each with a value for every column (JSON ones as JSON text); the keys must be new."""
    with cursor.copy(_copy_statement(table)) as copying:
        write = copying.write_row
        for row in rows:
            write(row)


@cache
def _copy_statement(table: type[SQLModel]) -> bytes:
    names = sql.SQL(", ").join(map(sql.Identifier, columns(table)))
    name = sql.Identifier(str(table.__tablename__))
    return sql.SQL("COPY {} ({}) FROM STDIN").format(name, names).as_bytes(None)


def pairs(keys: Iterable[tuple[int, str]]) -> tuple[list[int], list[str]]:
    """(project_id, name) keys as the two arrays that `unnest` takes."""
    listed = list(keys)
    return [key[0] for key in listed], [key[1] for key in listed]


def json_text(value: Any) -> str:
    """Compact JSON; times are RFC 3339 in UTC, and an orjson.Fragment is taken as the JSON it is."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()

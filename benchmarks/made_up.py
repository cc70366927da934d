"""Made-up days of feedback and inferences as Parquet: realistic text, several types, late and undone events."""

from pathlib import Path

from benchmarks.by_hand import query

SECONDS = 4 * 86_400
WORDS = "the model answered my question about a refund and left the delivery date of order open but said sorry twice"
LENGTH = 35
"""Words of a text."""


def write(folder: Path, feedback: int) -> None:
    """Writes feedback.parquet and inferences.parquet, half as many inferences as feedback; texts of about 200 bytes."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    words = WORDS.split()
    text = " || ' ' || ".join(f"words[(n * {7 + 2 * k} + n // {3 + k}) % {len(words)} + 1]" for k in range(LENGTH))
    for name, count in (("feedback", feedback), ("inferences", feedback // 2)):
        sql = query(f"made_up_{name}", count=count, asked=feedback // 2, seconds=SECONDS, text=f"({text})", words=words)
        target = folder / f"{name}.parquet"
        connection.execute(f"COPY ({sql} ORDER BY log_offset) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    connection.close()

"""What rules keep: their definitions, what each last decided, and the evidence of their sequential tests."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Float, Integer, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from feedback_ingest.tables import timestamp
from feedback_loop.stream.tables import whole, words


class RuleDefinition(SQLModel, table=True):
    """What a project said of a rule with one fact of the log: its definition, or None where it was taken back."""

    __tablename__ = "rules"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    rule_id: str = Field(sa_column=words(primary_key=True))
    log_offset: int = Field(sa_column=whole(primary_key=True, autoincrement=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    definition: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    defined_at: datetime = Field(sa_column=timestamp())


class RuleDecision(SQLModel, table=True):
    """What a rule last decided on one model version, fired or not, and the newest changes of its verdict.

    An explanation, as it was given: what fired is in the log, and a rebuild does not decide again what did not.
    """

    __tablename__ = "rule_decisions"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    rule_id: str = Field(sa_column=words(primary_key=True))
    model_name: str = Field(sa_column=words(primary_key=True))
    model_version: str = Field(sa_column=words(primary_key=True))
    segment: str = Field(sa_column=words(primary_key=True))
    verdict: str = Field(sa_column=words())
    reason: str = Field(sa_column=words())
    value: float | None = Field(default=None, sa_column=Column(Float))
    samples: int = Field(sa_column=whole())
    cause_offset: int = Field(sa_column=whole())
    occurred_at: datetime = Field(sa_column=timestamp())
    decided_at: datetime = Field(sa_column=timestamp())
    changes: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))


class RuleEvidence(SQLModel, table=True):
    """What a rule's sequential test holds against chance on one model version: its bets, and after how many samples."""

    __tablename__ = "rule_evidence"

    project_id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    rule_id: str = Field(sa_column=words(primary_key=True))
    model_name: str = Field(sa_column=words(primary_key=True))
    model_version: str = Field(sa_column=words(primary_key=True))
    segment: str = Field(sa_column=words(primary_key=True))
    rule_version: int = Field(sa_column=Column(Integer, nullable=False))
    samples: float = Field(sa_column=Column(Float, nullable=False))
    grown: list[float] = Field(sa_column=Column(JSONB, nullable=False))
    heaviest: float = Field(default=1.0, sa_column=Column(Float, nullable=False, server_default=text("1")))

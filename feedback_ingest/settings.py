"""Settings, the one home of the environment: every `FEEDBACK_*` variable is a field here and nowhere else."""

import os
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

LoopStage = Literal["received", "durable", "attributed", "enriched", "queued", "in_dataset", "trained", "serving"]
"""Where feedback comes to after it occurred, in this order."""


class Settings(BaseSettings):
    """What an operator may set, each as `FEEDBACK_<NAME>`; the defaults run everything on one machine."""

    model_config = SettingsConfigDict(env_prefix="FEEDBACK_", extra="ignore", validate_default=True)

    data_dir: Path = Field(Path(".feedback"), description="Where the embedded database, Parquet files and models live.")
    database_url: str | None = Field(None, description="A PostgreSQL URL; without it the data directory's own server.")
    pepper: str | None = Field(None, description="Secret for pseudonyms and fingerprints; default: a file in data_dir.")

    api_url: str | None = Field(None, description="Where browsers reach the API; links in Dagster lead there.")
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the API.")
    api_workers: int = Field(
        1, ge=1, le=64, description="Processes that `feedback api` serves with; each holds its share of a rate limit."
    )
    grpc: bool = Field(True, description="Whether gRPC is served beside HTTP.")
    grpc_port: int = Field(
        50051, ge=0, le=65535, description="Port of gRPC; where nobody set it and it is in use, gRPC is not served."
    )
    grpc_share_port: bool = Field(
        False, description="Several API processes of one system answer on one gRPC port (SO_REUSEPORT)."
    )
    tls_cert: Path | None = Field(
        None, description="PEM file of the certificate chain the API shows; TLS with tls_key."
    )
    tls_key: Path | None = Field(None, description="PEM file of the certificate's key.")
    tls_min_version: Literal["1.2", "1.3"] = Field("1.2", description="Oldest TLS version the API speaks.")
    behind_proxy: bool = Field(False, description="A proxy speaks TLS in front: plain text to other machines is meant.")
    dagster_host: str = Field("127.0.0.1", description="Address of the Dagster webserver (it has no authentication).")
    dagster_port: int = Field(3000, ge=0, le=65535, description="Port of the Dagster webserver.")

    max_body_bytes: int = Field(4_194_304, gt=0, description="Decoded bytes of one request.")
    max_event_bytes: int = Field(262_144, gt=0, description="Raw bytes of one event.")
    max_batch_events: int = Field(1_000, gt=0, description="Events of one batch.")
    body_deadline_s: float = Field(20.0, gt=0, description="Seconds a client may take to send a body.")
    buffered_bytes: int = Field(67_108_864, gt=0, description="Bytes of unfinished bodies before the door answers 503.")
    queue_events: int = Field(5_000, gt=0, description="Events waiting for a commit before the door answers 503.")
    queue_bytes: int = Field(33_554_432, gt=0, description="Bytes waiting for a commit before the door answers 503.")
    queue_age_s: float = Field(3.0, gt=0, description="Age of the oldest waiting event at which the door answers 503.")
    commit_deadline_s: float = Field(8.0, gt=0, description="Seconds a request waits for its commit before 503.")
    max_streams: int = Field(200, gt=0, description="Event streams and long polls open at once in one API process.")
    quarantine_rows: int = Field(100_000, ge=0, description="Refused events kept per project; beyond it, only counted.")
    quarantine_bytes: int = Field(
        268_435_456, ge=0, description="Bytes of refused events kept per project; beyond it, only counted."
    )
    quarantine_days: int = Field(30, gt=0, description="Days after which a refused event is forgotten.")
    public_events_per_minute: int = Field(6_000, gt=0, description="Events a public key may send, if it has no limit.")
    public_bytes_per_minute: int = Field(
        6_291_456, gt=0, description="Bytes a public key may send, if it has no limit."
    )
    public_max_body_bytes: int = Field(65_536, gt=0, description="Decoded bytes of one request with a public key.")

    latency_objectives_s: dict[LoopStage, Annotated[float, Field(gt=0)]] = Field(
        {}, description='Seconds that 99 of 100 may take to a stage of the loop, as JSON: `{"queued": 0.5}`.'
    )
    session_s: int = Field(43_200, gt=0, description="Seconds after which a person at a page signs in again.")

    log_partition_rows: int = Field(1_000_000, gt=0, description="Offsets in one partition of the log.")
    log_keep_days: int = Field(
        90, gt=0, description="Days an event stays in PostgreSQL before `feedback log seal` moves it to a file."
    )
    first_day: date = Field(date(2026, 1, 1), description="First UTC day of the daily partitions in Dagster.")

    stream_poll_ms: int = Field(100, gt=0, description="Longest wait of the stream between two looks at the log.")
    stream_pause_ms: int = Field(6, ge=0, description="Pause of the stream after a batch that was not full.")
    stream_batch: int = Field(2_000, gt=0, description="Events in one micro-batch of the stream.")
    stream_memory_mib: int = Field(
        1_024, ge=256, description="Memory of the stream; an event that would take it beyond becomes a dead letter."
    )
    bucket_s: int = Field(10, gt=0, description="Seconds of event time in one bucket of the rolling metrics.")
    metrics_fine_days: int = Field(
        7, gt=0, description="Days before a model's newest answer after which its metrics are kept by the hour."
    )
    metrics_days: int = Field(400, gt=0, description="Days before that after which they are not kept.")
    votes_a_day: int = Field(
        20, ge=0, description="Feedback of one end user and UTC day that counts in rolling metrics; 0 knows no end."
    )
    accuracy_floor: float = Field(
        0.80,
        ge=0,
        le=1,
        description="Rolling accuracy below this raises an alert: the default rule.",
    )
    rules_file: Path | None = Field(None, description="YAML file of rules that the stream applies when it starts.")
    rule_window_s: int = Field(30, gt=0, description="Seconds of event time the default rule looks back.")
    rule_min_samples: int = Field(40, gt=0, description="Labelled answers the default rule needs before it decides.")
    rule_cooldown_s: int = Field(15, ge=0, description="Seconds of event time between two alerts of the default rule.")
    rollback_cooldown_s: int = Field(300, ge=0, description="Seconds between two rollbacks of one model by rules.")

    stream_metrics_host: str = Field("127.0.0.1", description="Address where the stream tells Prometheus its figures.")
    stream_metrics_port: int = Field(
        9108, ge=1, le=65535, description="Port of that; where nobody set it and it is in use, nothing is told."
    )
    webhook_allow: str | None = Field(
        None,
        description="Private targets of webhooks, by commas: host, host:port, an address, or a network as 10.0.0.0/8.",
    )
    webhook_days: int = Field(30, gt=0, description="Days after which a delivered or failed message is forgotten.")
    egress_proxy: str | None = Field(
        None, description="URL of an HTTP proxy that webhooks leave by; it decides which addresses they may reach."
    )

    sources_file: Path | None = Field(
        None, description="YAML file of the sources outside the log that feedback is enriched from."
    )
    sources_allow: str | None = Field(
        None, description="Private addresses that such a source may be at, as those of webhooks, by commas."
    )

    sensor_interval_s: int = Field(5, gt=0, description="Seconds between two looks of a Dagster sensor.")
    retrain_min_labels: int = Field(150, gt=0, description="New labelled rows a retraining needs.")
    retrain_cooldown_s: int = Field(20, ge=0, description="Seconds between two retrainings of one model.")
    drift_labels: int = Field(150, gt=0, description="Labelled answers in a window that drift is looked for in.")
    drift_inferences: int = Field(400, gt=0, description="Inferences in a window that moved inputs are looked for in.")
    incremental_learner: str | None = Field(
        None,
        description="How champions go on learning: sliding_committee, partial_fit, adaptive_forest.",
    )
    incremental_every_s: float = Field(2.0, ge=0, description="Seconds between two increments of one model, at least.")
    increments_kept: int = Field(20, ge=2, description="Newest increments of a model that stay on the shelf.")
    training_command: str | None = Field(
        None, description="A command that trains in place of the built-in learners, started through Dagster Pipes."
    )
    training_params: dict[str, Any] = Field({}, description="What that command is given as `params`, as JSON.")
    gate_latency_ms: float = Field(1_000, gt=0, description="A model that answers more slowly (p95) is not promoted.")
    gate_shadow: bool = Field(
        False, description="Candidates that are as good as the champion answer in its shadow until feedback tells."
    )
    golden_share: float = Field(0.2, gt=0, lt=1, description="Share of labelled inferences held out, never trained on.")
    lake_memory_mb: int = Field(
        2_048, ge=256, description="Megabytes that DuckDB may hold at once; what does not fit is spilled to the disk."
    )
    replay_rows: int = Field(100_000, gt=0, description="Newest transitions of a model that the replay buffer keeps.")
    rehearsal_rows: int = Field(
        10_000, gt=0, description="Transitions of all times that it keeps beside them, as many of each label."
    )
    training_rows: int = Field(5_000, gt=0, description="Newest labelled rows a training dataset holds.")
    dataset_most_psi: float = Field(
        1.0,
        ge=0,
        description="No dataset is compiled whose weighted rows differ more from traffic, by a segment; 0 allows any.",
    )

    lake_url: str | None = Field(
        None,
        description="Where the feedback lake is kept: a folder, or s3://bucket/prefix; default: a folder of data_dir.",
    )
    ref_roots: str | None = Field(
        None,
        description="Folders, by commas, that file:// references may be read from; {project} stands for its name.",
    )
    ref_buckets: str | None = Field(
        None, description="Buckets, or bucket/prefix, by commas, that s3:// references may be read from."
    )
    ref_s3_endpoint: str | None = Field(None, description="URL of an S3 other than Amazon's.")
    ref_s3_region: str | None = Field(None, description="Region of the buckets; default: as the AWS tools find it.")
    ref_max_bytes: int = Field(1_048_576, gt=0, description="Bytes of one object that a reference names.")

    label_studio_url: str | None = Field(None, description="URL of a Label Studio that queues are judged in.")
    label_studio_token: str | None = Field(None, description="Access token of a user there who may make projects.")
    label_studio_callback: str | None = Field(
        None, description="URL of this API as Label Studio reaches it; without it annotations are only asked for."
    )
    label_studio_secret: str | None = Field(
        None,
        min_length=16,
        description="Secret that Label Studio shows with what it tells; without it that is refused.",
    )

    ground_truth_place: str | None = Field(
        None, pattern=r"^s3://[^/]+", description="s3://bucket/prefix where labeling jobs of Ground Truth are kept."
    )
    ground_truth_workteam: str | None = Field(None, description="ARN of the team that works on labeling jobs.")
    ground_truth_role: str | None = Field(None, description="ARN of the role that labeling jobs run as.")

    @property
    def postgres_dir(self) -> Path:
        """Folder of the embedded PostgreSQL cluster."""
        return self.data_dir / "postgres"

    @property
    def sealed_dir(self) -> Path:
        """Folder of the sealed part of the log; every process that reads the log reads here."""
        return self.data_dir / "sealed"

    @property
    def lake_dir(self) -> Path:
        """Folder of the assets' Parquet files."""
        return self.data_dir / "lake"


@cache
def get_settings() -> Settings:
    """The settings of this process, read once from the environment."""
    return Settings()


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a process we start: this one's, with `extra` on top."""
    return {**os.environ, **extra}


def settle(**values: object) -> None:
    """Sets FEEDBACK_<NAME> for this process and those it starts: what a command line says beside the environment."""
    os.environ.update({f"FEEDBACK_{name.upper()}": str(value) for name, value in values.items()})
    get_settings.cache_clear()


def share_figures(folder: str) -> None:
    """Has the processes that this one starts count into files in `folder`, so that each can tell what all counted.

    prometheus_client reads the variable when it is first imported.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder


def shared_figures() -> Path | None:
    """The folder of share_figures; None where this process counts for itself."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def refuse_old_tls_in_grpc() -> None:
    """Keeps gRPC from TLS 1.2; call it before gRPC is imported.

    gRPC has no option for it. The ciphers of TLS 1.3 are not named in this variable, and of the earlier ones it leaves
    one that needs a secret shared beforehand, which nobody has: every handshake below 1.3 fails.
    """
    os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-AES128-CBC-SHA"


def decline_telemetry() -> None:
    """Keeps libraries from calling home or narrating; call it before importing MLflow or Great Expectations."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING", "GX_ANALYTICS_ENABLED": "false"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)

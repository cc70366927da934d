"""Writes Dagster's own settings into the data directory: Postgres storage, one code server, no telemetry."""

from pathlib import Path

STORAGE_VARIABLE = "FEEDBACK_DAGSTER_STORAGE_URL"

DAGSTER_YAML = f"""# Written by `feedback up` and `feedback dagster`; edits are lost.
storage:
  postgres:
    postgres_url:
      env: {STORAGE_VARIABLE}
run_coordinator:
  module: dagster._core.run_coordinator
  class: DefaultRunCoordinator
run_launcher:
  module: feedback_assets.warm_runs.launcher
  class: WarmRunLauncher
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  start_timeout_seconds: 120
sensors:
  use_threads: true
  num_workers: 6
telemetry:
  enabled: false
nux:
  enabled: false
"""

WORKSPACE_YAML = """# Written by `feedback up` and `feedback dagster`; edits are lost.
load_from:
  - grpc_server:
      host: {host}
      port: {port}
      location_name: feedback_assets
"""


def write(home: Path, host: str, port: int) -> None:
    """Leaves dagster.yaml and workspace.yaml in `home`; the code server answers at `host` and `port`."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(DAGSTER_YAML)
    (home / "workspace.yaml").write_text(WORKSPACE_YAML.format(host=host, port=port))

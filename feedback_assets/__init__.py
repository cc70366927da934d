"""The asset graph in Dagster: assets, checks, sensors, jobs and resources; decisions are made in `learning`."""

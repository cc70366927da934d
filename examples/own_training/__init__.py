"""A training script of one's own: no package of this project, nothing but Python and dagster-pipes."""

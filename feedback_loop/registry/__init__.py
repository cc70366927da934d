"""The registry: trained models over MLflow, and the pointer that says which one is champion; it is no second MLflow."""

"""The room of human review: queues, leases, adjudication and connectors live here and nowhere else."""

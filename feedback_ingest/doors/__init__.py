"""What the doors keep beside the log: the metrics a project registered, and links by which a person may answer."""

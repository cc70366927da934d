"""The database's history, one revision a file; feedback_ingest.migrate runs it."""

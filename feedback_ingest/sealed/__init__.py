"""Old partitions of the log as files: what is looked for stays in PostgreSQL, what is read goes to Parquet."""

"""The stream: follows the log and keeps the live tables, in the same second."""

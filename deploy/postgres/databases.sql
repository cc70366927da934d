-- Runs once, when the volume is empty. The database of the log is made by the image (POSTGRES_DB).
CREATE DATABASE dagster;
CREATE DATABASE mlflow;

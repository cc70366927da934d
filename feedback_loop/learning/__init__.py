"""The thinking: pure decisions, values in and values out; no connection, no clock, no file is opened here."""

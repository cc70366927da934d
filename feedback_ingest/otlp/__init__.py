"""OpenTelemetry spans of model calls as inference records; here belongs the translation, the door is in `api`."""

"""Webhooks: who is told of what the log says, the outbox of what is to be told, and the delivering of it."""

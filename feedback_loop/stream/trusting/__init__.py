"""Trust in the stream: what each end user did, what was decided of them, and who is new where."""

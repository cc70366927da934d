"""The commands, one a file: each module here exposes `register(app)` and is found by asking the folder."""

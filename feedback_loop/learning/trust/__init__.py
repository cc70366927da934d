"""Trust: what each end user does, what is suspicious about it, what was decided of them, and what that takes away."""

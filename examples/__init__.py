"""Examples: apps of other people, on the outside of the house; they speak HTTP."""

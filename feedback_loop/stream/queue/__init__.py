"""The training queue as trainers meet it: groups of them, and what each is given to learn from."""

"""Rules at work: their definitions, what they are decided on, what they decided, and what follows."""

"""Pages for people: signing in with a key, and what is shown to those who are signed in."""

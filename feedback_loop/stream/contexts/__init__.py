"""Context from outside: what is to be asked, asking it beside the stream, and what the log answered."""

"""The ground: what feedback is, how it is received, and the one log it lands in; knows no other room."""

"""Routing: the book of routes, what is held back, and the places that feedback is routed to."""

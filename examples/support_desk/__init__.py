"""A support desk: tickets are sorted by a text model and answered in two wordings, of which customers prefer one."""

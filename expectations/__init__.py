"""What must hold of each table, as named rules that Great Expectations checks; never imported on a request path."""

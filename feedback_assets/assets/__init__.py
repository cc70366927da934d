"""The assets, one module a group: each loads, calls one pure function and says what it holds; none decides anything."""

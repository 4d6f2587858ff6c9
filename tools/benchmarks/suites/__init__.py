"""One module a suite; each has ROWS."""

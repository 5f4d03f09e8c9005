"""When each node runs, and where its tensor lies."""

"""Rewrites of the graph: each pass is a function Graph -> Graph."""

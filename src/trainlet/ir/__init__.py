"""The graph and its values.  Nothing here knows any operator."""

"""When each node runs: greedy orders, a search that improves them, a bound of every order."""

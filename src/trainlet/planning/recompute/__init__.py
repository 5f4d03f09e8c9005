"""What to recompute instead of keeping: exact and greedy solutions, and the orders that follow from
them."""

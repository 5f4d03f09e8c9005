"""What to make again instead of keeping it: exact programmes, and the orders that follow."""

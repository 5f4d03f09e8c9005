"""From other people's networks to a Graph."""

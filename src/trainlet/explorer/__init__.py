"""The explorer: a page that shows what a network needs to learn, in the compiler's own numbers."""

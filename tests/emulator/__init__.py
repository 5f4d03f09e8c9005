"""A small hand-written project and what every device must do with it."""

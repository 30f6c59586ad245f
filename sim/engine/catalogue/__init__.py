"""The catalogue: what merchants put on sale and show, as commands, rows and answers."""

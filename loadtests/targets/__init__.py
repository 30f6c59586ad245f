"""What can be loaded: the reference engine, and any shop that somebody describes in a small class."""

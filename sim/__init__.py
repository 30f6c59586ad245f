"""LiveRush: simulate a live-commerce show from one scenario file."""

__version__ = "0.1.0"

"""A small shop that is not LiveRush's: what docs/load-your-own.md loads, in a process of its own."""

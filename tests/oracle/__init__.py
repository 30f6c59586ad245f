"""The oracle: docs/model.md as a program, one SimPy process an order: slow, obvious, what the fast model is held to."""

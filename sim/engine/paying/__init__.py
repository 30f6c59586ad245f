"""Payments: the provider, how it is asked, and the repair of what was left open."""

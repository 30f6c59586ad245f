"""Statistics over replications: pure functions of numbers."""

"""Stock and logistics policies, each an ordinary SimPy process."""

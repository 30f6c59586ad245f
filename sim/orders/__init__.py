"""The pure core of an order's life."""

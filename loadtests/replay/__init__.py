"""The open loop: arrivals come when the trace says, whatever the target does."""

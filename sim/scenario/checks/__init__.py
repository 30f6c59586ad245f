"""What several parts of a scenario must agree on."""

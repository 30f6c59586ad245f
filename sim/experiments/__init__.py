"""Runs of scenarios: replications and the run directories they leave."""

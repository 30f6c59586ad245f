"""Scenarios in the plural: strategies, grids, knobs and inputs that nobody knows exactly."""

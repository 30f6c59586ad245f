"""SimPy at bulk speed: flows that catch up in bulk between control events. Knows nothing of commerce."""

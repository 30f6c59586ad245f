"""SimPy at bulk speed: an environment whose flows catch up in bulk between control events. Knows nothing of commerce."""

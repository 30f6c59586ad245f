"""Stock policies and the theory that they are held to."""

"""The tests. They mirror the packages; `oracle` holds the slow, obvious models that the fast code is held to."""

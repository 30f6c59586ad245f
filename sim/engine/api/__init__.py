"""The engine's HTTP API: routes as data, one pipeline for all of them."""

"""From scenarios to texts: as run, as a schema, as a reference page, as a first draft, and where values come from."""

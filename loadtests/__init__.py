"""Everything that spends wall-clock time over HTTP: replay by Locust, journeys, targets, audit, verdict."""

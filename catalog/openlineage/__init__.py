"""OpenLineage in: pure functions from a JSON document to typed events, names, states and pipelines.

Nothing here knows a database: `envelope` reads an event, `facets` its parts, `masking` what must never be
stored, `names` gives datasets one identity, `attribution` says whose run it is, `states` what became of it.
"""

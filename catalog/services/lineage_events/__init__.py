"""OpenLineage events become pipelines, steps, runs, datasets and lineage: a whole batch by one statement a table.

`reception` is what the API calls, `replay` what the worker and operators call. `intake` reads and judges what was
sent, `inbox` stores it, `application` applies it: `whereabouts` says whose runs they are, `admission` which new
pipelines come in, `relocation` moves runs that turn out to be elsewhere, `contents` writes what is told beside runs.
"""

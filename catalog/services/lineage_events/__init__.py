"""OpenLineage events become pipelines, steps, runs, datasets and lineage: a whole batch by one statement a table.

`intake` reads and judges what was sent, `inbox` stores it, `whereabouts` says whose runs they are, `relocation`
moves runs that turn out to be elsewhere; `pipelines`, `steps`, `datasets`, `links`, `columns`, `facets` and
`results` write one kind of row each; `application` calls them in order, `reception` is what the API calls.
"""

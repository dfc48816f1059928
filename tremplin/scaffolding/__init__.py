"""A new pilot from a table: what can be inferred is, what only a person can know says `changeme`."""

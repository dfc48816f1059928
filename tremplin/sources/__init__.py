"""What a pilot's ``source.py`` reads from: a database, files, a paged REST service. Pilots import it through ``tremplin.api``."""

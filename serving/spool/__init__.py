"""What was answered, on local disk before the answer leaves; from there to the database, exactly once.

A worker appends frames to segment files in a folder of its own (``spool``); a thread moves them on (``drain``).
docs/adr/0013-spool.md says what each setting promises.
"""

from serving.spool.drain import Drain
from serving.spool.spool import Spool, SpoolFailed

__all__ = ["Drain", "Spool", "SpoolFailed"]

"""What code in ``pilots/`` may import; nothing else of Tremplin. Costly libraries are loaded by the call that needs them."""

from tremplin.errors import TremplinError
from tremplin.feature_names import feature_names
from tremplin.sources.files import read_files
from tremplin.sources.package import package_files
from tremplin.sources.paging import Cursor, LinkHeader, NextLink, Offset, PageNumber
from tremplin.sources.rest import read_rest
from tremplin.sources.sql import read_sql

__all__ = [
    "Cursor",
    "LinkHeader",
    "NextLink",
    "Offset",
    "PageNumber",
    "TremplinError",
    "feature_names",
    "package_files",
    "read_files",
    "read_rest",
    "read_sql",
]

"""The fitted pipeline as what answers one row fast, and explains it exactly."""

from pipelines.fast.columns import NoFastForm
from pipelines.fast.export import export_fast

__all__ = ["NoFastForm", "export_fast"]

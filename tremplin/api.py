"""What code in ``pilots/`` may import; nothing else of Tremplin."""

from tremplin.errors import TremplinError

__all__ = ["TremplinError"]

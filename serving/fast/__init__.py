"""One row's answer in microseconds, and its exact explanation, from what a release holds in ``fast/``."""

from serving.fast.interface import Contributions, Fast, NoFastPath
from serving.fast.opening import check_agreement, open_fast

__all__ = ["Contributions", "Fast", "NoFastPath", "check_agreement", "open_fast"]

"""How much memory this process took."""

import resource
import sys


def peak_rss_mb() -> float:
    """Return the most memory that this process held at a time, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)

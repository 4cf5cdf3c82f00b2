"""What a server asks of the process it runs in: open files, and an interpreter tuned for it. Knows no part of it."""

import gc
import resource
import sys
from typing import Final

from event_issuer.domain.errors import SettingsInvalid

OTHER_FILES: Final = 512  # beside connections to endpoints: clients of the API, the database, the trial of schemas
SWITCH_INTERVAL_S: Final = 0.0002  # far above the microseconds that a switch costs
COLLECTION_THRESHOLDS: Final = (20_000, 50, 1_000)  # young objects, and how many rounds until older ones are looked at


def allow_open_files(count: int) -> None:
    """Raises this process's soft limit, which is often 1024. Raises SettingsInvalid where the hard limit forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SettingsInvalid(
            f"This process may open {hard} files; EVENT_ISSUER_CONNECTIONS_MAX and {OTHER_FILES} others make {count}. "
            "Raise the limit (ulimit -n) or lower the setting."
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def tune_interpreter() -> None:
    """Hands the interpreter over often, and collects garbage seldom. For a process that is a server.

    SQLite's thread takes the interpreter a dozen times per transaction; while the event loop is busy it waits 5 ms each
    time with Python's default. And a batch makes some ten thousand objects that all live until it is settled: with
    Python's default of 700 the collector walks them again and again, which was a quarter of the server's time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)

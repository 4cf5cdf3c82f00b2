"""Logs: structured lines on standard error, one way for our own and for libraries. Knows nothing of what is logged.

A line of a request bears its trace id. Every text in a line is bounded and in printable characters, so that nobody who
names a thing can fill the log or forge lines in it.
"""

import logging
import sys
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from event_issuer.telemetry.requests import current_request

FIELD_LENGTH_MAX: Final = 500  # of a text in a line; more is cut
ITEMS_MAX: Final = 20  # of a list in a line
REPEATED_AFTER_S: Final = 60
# What has many lines by its nature; it is ours, and a traceback is bounded by the stack.
_WHOLE: Final = frozenset({"exception", "exc_info", "stack", "_record", "_from_structlog"})

_WITHOUT_LOCALS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # they may hold secrets


def configure_logging(level: Literal["debug", "info", "warning", "error"], style: Literal["json", "console"]) -> None:
    """Sets up the process's logging, once, at its start."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        add_trace_id,
        bound_fields,
    ]
    as_json = style == "json"
    rendered: list[structlog.typing.Processor] = (
        [structlog.processors.ExceptionRenderer(_WITHOUT_LOCALS), structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(NowAndThen())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))  # libraries speak up only when something is wrong


class NowAndThen(logging.Filter):
    """Of what Kafka's client says at each try while Kafka is away, one line of a kind in a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        kind = (record.name, str(record.msg))  # before the arguments are in it: there are a few dozen
        if 0 <= record.created - self._said_at.get(kind, -REPEATED_AFTER_S) < REPEATED_AFTER_S:
            return False
        self._said_at[kind] = record.created
        return True


def add_trace_id(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """A line that is written while a request is answered bears its trace id, unless it names another."""
    if "trace_id" not in line:
        facts = current_request.get()
        if facts is not None:
            line["trace_id"] = facts.trace.trace_id
    return line


def bound_fields(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    for name, value in line.items():
        if name not in _WHOLE:
            line[name] = _bounded(value)
    return line


def _bounded(value: object) -> object:
    if isinstance(value, str):
        text = value if len(value) <= FIELD_LENGTH_MAX else value[:FIELD_LENGTH_MAX] + "…"
        return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    if isinstance(value, list | tuple):
        return [_bounded(item) for item in value[:ITEMS_MAX]]
    return value

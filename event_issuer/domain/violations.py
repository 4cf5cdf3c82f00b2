"""Violations of schemas and documents, kept short: what they quote is a stranger's, and may be long."""

from collections.abc import Sequence

from event_issuer.domain.errors import SchemaInvalid, Violation

# As many as one answer lists: enough to work from, and no megabytes of them.
VIOLATIONS_MAX = 100
# Of a document's text, a message repeats no more than this.
MESSAGE_CHARS_MAX = 200
# Property names can be as long as a document; a path that is cut ends in "…".
PATH_CHARS_MAX = 500
# How much of a long message is kept from its beginning; the rest is its end.
_HEAD_CHARS = 80


def violation(path: str, rule: str, message: str) -> Violation:
    """A violation whose path (JSON Pointer) and message are within bounds, and can be written down."""
    path = path if len(path) <= PATH_CHARS_MAX else path[: PATH_CHARS_MAX - 1] + "…"
    return Violation(_writable(path), rule, _writable(shortened(message)))


def pointer_token(key: str) -> str:
    """One reference token of a JSON Pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def _writable(text: str) -> str:
    """The text with unpaired surrogates, which no encoding takes, spelled out."""
    return text.encode(errors="backslashreplace").decode()


def shortened(message: str) -> str:
    """Both ends of a long message: the value stands at the beginning, what is wrong with it at the end."""
    if len(message) <= MESSAGE_CHARS_MAX:
        return message
    return f"{message[:_HEAD_CHARS]} … {message[_HEAD_CHARS + 3 - MESSAGE_CHARS_MAX :]}"


def refusal(rule: str, message: str) -> SchemaInvalid:
    """Of a schema as a whole: no one place in it is at fault."""
    return SchemaInvalid(message, violations=[violation("", rule, message)])


def refuse(problems: Sequence[Violation]) -> None:
    """Raise `SchemaInvalid` if there are problems; its detail is the first of them."""
    if problems:
        place = problems[0].path or "the root of the schema"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        detail = f"{problems[0].message}, at {place}{more}"
        raise SchemaInvalid(detail, violations=problems[:VIOLATIONS_MAX])

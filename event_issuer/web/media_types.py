"""Which media type an answer gets, and whether a body is JSON in UTF-8 (RFC 9110 §8.3 and §12.5.1, GraphQL over HTTP).

Knows the two media types of GraphQL answers, and not what is in them.
"""

from functools import lru_cache
from typing import Final

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
HEADER_LENGTH_MAX: Final = 512  # browsers send some 150 characters; a longer Accept counts as absent
_REMEMBERED: Final = 256  # headers; clients of one kind all send the same


def graphql_response_type(accept: str | None) -> str | None:
    """The media type of the answer, None when none would be acceptable.

    GraphQL over HTTP: who names application/graphql-response+json gets it, who takes anything gets application/json.
    """
    if accept is None or len(accept) > HEADER_LENGTH_MAX:
        return JSON
    return _negotiated(accept)


@lru_cache(_REMEMBERED)
def _negotiated(accept: str) -> str | None:
    ranges = _ranges(accept)
    names_ours = ranges.get(GRAPHQL_RESPONSE, 0.0) > 0
    offers = (GRAPHQL_RESPONSE, JSON) if names_ours else (JSON, GRAPHQL_RESPONSE)
    best = max(offers, key=lambda offer: _quality(ranges, offer))
    return best if _quality(ranges, best) > 0 else None


def _quality(ranges: dict[str, float], offer: str) -> float:
    """RFC 9110 §12.5.1: the most specific range decides."""
    for matching in (offer, "application/*", "*/*"):
        if matching in ranges:
            return ranges[matching]
    return 0.0


def _ranges(accept: str) -> dict[str, float]:
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            ranges[name] = float(quality)
        except ValueError:
            ranges[name] = 0.0
    return ranges


def is_html_wanted(accept: str | None) -> bool:
    """Whether a browser asks for a page: `*/*` alone is what scripts send."""
    return accept is not None and len(accept) <= HEADER_LENGTH_MAX and _ranges(accept).get("text/html", 0.0) > 0


def is_utf8_json(content_type: str | None) -> bool:
    return content_type is not None and len(content_type) <= HEADER_LENGTH_MAX and _is_utf8_json(content_type)


@lru_cache(_REMEMBERED)
def _is_utf8_json(content_type: str) -> bool:
    name, *parameters = (piece.strip().lower() for piece in content_type.split(";"))
    charsets = {text.removeprefix("charset=").strip('"') for text in parameters if text.startswith("charset=")}
    return name == JSON and charsets <= {"utf-8", "utf8"}

"""Numbers and texts to try a schema on: at its bounds, just beyond them, and plain ones.

`parts` are the schemas that apply, without anything that holds further schemas but a `not` of one keyword. Most of
what comes out keeps them, and some does not. Knows no objects and no arrays.
"""

import itertools
import math
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Final

from event_issuer.domain.compatibility_forms import OPAQUE
from event_issuer.domain.generating_texts import FORMAT_SAMPLES, PLAIN, near_misses, samples

# A text that is asked to be longer is not made.
TEXT_CHARS_MAX: Final = 20_000
_MULTIPLES: Final = 4
_PLAIN_NUMBERS: Final = (0, 1, -1, 2, 0.5, -0.5, 3, 5, 7, 10, 100, 0.1, 1e-7, -1000, 10**9, 2**53, 1e100, -1e100)
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_DOUBLE_MAX: Final = Decimal("1.7e308")

Parts = list[dict[str, object]]


def numbers(parts: Parts, *, integers_only: bool) -> Iterator[object]:
    """Around each bound, multiples near the lower one, then plain ones; without repetition."""
    seen: set[tuple[type, object]] = set()
    for exact in _numbers(parts):
        if abs(exact) > _DOUBLE_MAX or (integers_only and exact != exact.to_integral_value()):
            continue
        number = int(exact) if exact == exact.to_integral_value() and abs(exact) < 10**30 else float(exact)
        if (type(number), number) not in seen:
            seen.add((type(number), number))
            yield number


def _numbers(parts: Parts) -> Iterator[Decimal]:
    bounds = [Decimal(str(bound)) for part in parts for bound in _under(part, _BOUNDS)]
    steps = [abs(Decimal(str(step))) for part in parts for step in _under(part, ("multipleOf",))]
    step = _common(steps)
    start = min(bounds, default=Decimal(0))
    if step:
        first = (start / step).to_integral_value(ROUND_CEILING)
        for bound in (Decimal(0), *bounds):
            nearest = (bound / step).to_integral_value(ROUND_CEILING)
            yield from (step * (nearest + turn) for turn in (0, 1, -1))
        yield from (step * (first + turn) for turn in range(_MULTIPLES))
    for each in steps:
        yield from (each * turn for turn in (1, 2, 3, 5, 7))
    yield from (Decimal(str(number)) for number in _PLAIN_NUMBERS[:3])
    for bound in bounds:
        yield from (bound + Decimal(more) for more in ("0", "1", "-1", "0.5", "-0.5"))
        yield from (bound.to_integral_value() + turn for turn in (0, 1, -1))
        yield from (bound + Decimal(str(math.ulp(float(bound)))) * turn for turn in (1, -1))
    middles = sorted(bounds)
    yield from ((low + high) / 2 for low, high in itertools.pairwise(middles))
    yield from (Decimal(str(number)) for number in _PLAIN_NUMBERS)


def _common(steps: list[Decimal]) -> Decimal | None:
    """The least number that all steps divide; None if there are no steps."""
    if not steps or any(step == 0 for step in steps):
        return None
    scale = max(-int(step.as_tuple().exponent) for step in steps)
    if scale > 50 or any(step > 10**30 for step in steps):
        return steps[0]
    whole = math.lcm(*(int(step.scaleb(scale)) if scale > 0 else int(step) for step in steps))
    return Decimal(whole).scaleb(-scale) if scale > 0 else Decimal(whole)


def texts(parts: Parts) -> Iterator[str]:
    """Plain ones, samples of each format and pattern and their near misses, each also at the bounds of length."""
    least = max([_length(part.get("minLength"), 0) for part in parts], default=0)
    most = min([_length(part.get("maxLength"), TEXT_CHARS_MAX) for part in parts], default=TEXT_CHARS_MAX)
    if least > TEXT_CHARS_MAX:
        return
    seen: set[str] = set()
    for text in _texts(parts):
        for fitted in (text, *_fitted(text, least, most)):
            if fitted not in seen:
                seen.add(fitted)
                yield fitted


def _texts(parts: Parts) -> Iterator[str]:
    refused = [negated for part in parts if isinstance(negated := part.get("not"), dict)]
    patterns = [pattern for part in parts if isinstance(pattern := part.get("pattern"), str)]
    barred = [pattern for part in refused if isinstance(pattern := part.get("pattern"), str)]
    formats = [name for part in parts if isinstance(name := part.get("format"), str)]
    sampled = [text for pattern in patterns for text in samples(pattern)]
    sampled += [text for name in formats for text in FORMAT_SAMPLES.get(name, ())]
    yield from sampled
    yield from _encoded(parts)
    yield from PLAIN
    for text in sampled:
        yield from near_misses(text)
    for pattern in barred:
        for text in samples(pattern):
            yield from (text, *near_misses(text))
    for name in FORMAT_SAMPLES:
        yield from FORMAT_SAMPLES[name]


def _encoded(parts: Parts) -> Iterator[str]:
    """Texts in base64 and in JSON as long as the bounds say, where draft-07 asks for such a text."""
    if not any(keyword.startswith(OPAQUE) for part in parts for keyword in part):
        return
    lengths = [_length(part.get(name), -1) for part in parts for name in ("minLength", "maxLength")]
    for length in lengths:
        if 0 <= length <= TEXT_CHARS_MAX:
            yield from ("YWFh" * (length // 4), "YWFh" * (length // 4 + 1), "1" * length)


def _fitted(text: str, least: int, most: int) -> Iterator[str]:
    """The text made as long, or as short, as the bounds ask for, by its own last character and by others."""
    if len(text) < least:
        yield text + (text[-1:] or "a") * (least - len(text))
        yield (text or "a") * (least // max(len(text), 1) + 1)
        yield "a" * (least - len(text)) + text
    if len(text) > most >= 0:
        yield text[:most]


def _length(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _under(part: dict[str, object], keywords: tuple[str, ...]) -> list[int | float]:
    values = (part.get(keyword) for keyword in keywords)
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]

"""Texts to try a schema on: samples of a regular expression, of each format, and their near misses.

A sample need not match: who asks has a validator. The reader of patterns knows what partners write (literals,
classes, groups, alternatives, quantifiers, anchors) and gives up on the rest. Knows no schemas.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

# One sample is no longer: a pattern may ask for any length.
SAMPLE_CHARS_MAX: Final = 2_000
# Samples of one pattern: fewest repetitions, one more, a few more, and the most.
_STYLES: Final = (0, 1, 2, 9, -1)
_PATTERN_CHARS_MAX: Final = 1_000
_GROUPS_MAX: Final = 30  # inside each other

FORMAT_SAMPLES: Final = {
    "date": ("2026-03-01", "2024-02-29"),
    "date-time": ("2026-03-01T12:00:00Z", "2024-02-29T23:59:59.5+01:00"),
    "time": ("12:00:00Z", "23:59:59.5+01:00"),
    "duration": ("P1D", "PT36H"),
    "email": ("a@b.no", "abc@example.com"),
    "idn-email": ("å@b.no", "a@b.no"),
    "hostname": ("a.no", "www.example.com"),
    "idn-hostname": ("å.no", "a.no"),
    "ipv4": ("10.0.0.1", "192.168.100.200"),
    "ipv6": ("::1", "2001:db8::ff00:42:8329"),
    "uri": ("urn:a:b", "http://a.no/"),
    "uri-reference": ("/a", "a", "/a/b?c#d"),
    "iri": ("http://å.no/", "urn:a:b"),
    "iri-reference": ("/å", "/a"),
    "uuid": ("5c3f2c1e-7d5b-4b8e-9a1f-3c2d1e0f9a8b", "00000000-0000-0000-0000-000000000000"),
    "uri-template": ("/{a}", "/a"),
    "json-pointer": ("/a", "", "/a/b"),
    "relative-json-pointer": ("0", "1/a"),
    "regex": ("a", "^a$"),
}
PLAIN: Final = ("", "a", "A", "1", "-", " ", "é", "abc", "AB1", "{", "%", "{}", "YQ==", "e30=", "\U0001f686")

_CLASSES: Final = {"d": "0123456789", "w": "abcXYZ_019", "s": " \t", "D": "a-A ", "W": "- .!", "S": "aA0-"}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_PROPERTIES: Final = {"L": "aåÅ", "Lu": "AÅ", "Ll": "aå", "N": "12", "Nd": "12", "P": "-.", "Letter": "aåÅ"}
_ANY: Final = "aZ0-é"


@lru_cache(maxsize=500)
def samples(pattern: str) -> tuple[str, ...]:
    """Texts that most likely match, the shortest first; none where the pattern cannot be read here."""
    if len(pattern) > _PATTERN_CHARS_MAX:
        return ()
    found: dict[str, None] = {}
    for style in _STYLES:
        for turn in range(3):
            try:
                text = _Reader(pattern, style, turn).text()
            except _UnreadableError:
                return ()
            found[text[:SAMPLE_CHARS_MAX]] = None
    return tuple(sorted(found, key=len))


def near_misses(text: str) -> Iterator[str]:
    """Texts that differ from this one in one place."""
    yield text[:-1]
    yield text[1:]
    for more in ("a", "1", "-", " ", "A"):
        yield text + more
        yield more + text
    yield text.upper()
    yield text.lower()
    yield text * 2


class _UnreadableError(Exception):
    """The pattern has something that is not sampled here."""


class _Reader:
    """Writes one text while it reads the pattern. `style`: repetitions beyond the least (-1: the most, if there is a
    most); `turn`: which alternative, and which character of a class."""

    def __init__(self, pattern: str, style: int, turn: int) -> None:
        self._pattern, self._at = pattern, 0
        self._style, self._turn = style, turn
        self._groups = 0

    def text(self) -> str:
        text = self._alternatives()
        if self._at < len(self._pattern):
            raise _UnreadableError
        return text

    def _peek(self) -> str:
        return self._pattern[self._at] if self._at < len(self._pattern) else ""

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise _UnreadableError
        self._at += 1
        return self._pattern[self._at - 1]

    def _alternatives(self) -> str:
        found = [self._sequence()]
        while self._peek() == "|":
            self._next()
            found.append(self._sequence())
        return found[self._turn % len(found)]

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in ("", "|", ")"):
            before = self._turn
            atom = self._atom()
            least, most = self._quantifier()
            times = least if self._style == 0 else most if self._style < 0 and most else least + max(self._style, 1)
            times = min(times, SAMPLE_CHARS_MAX if most is None else most, SAMPLE_CHARS_MAX)
            text += (atom * times)[:SAMPLE_CHARS_MAX]
            self._turn = before
        return text[:SAMPLE_CHARS_MAX]

    def _atom(self) -> str:
        char = self._next()
        if char in "^$":
            return ""
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return _ANY[self._turn % len(_ANY)]
        if char == "\\":
            return self._one_of(self._escape())
        return char

    def _group(self) -> str:
        self._groups += 1
        if self._groups > _GROUPS_MAX:
            raise _UnreadableError
        if self._peek() == "?":
            self._next()
            kind = self._next()
            if kind == "<" or (kind == "P" and self._next() == "<"):
                if self._peek() in "=!":
                    raise _UnreadableError
                while self._next() != ">":
                    pass
            elif kind != ":":
                raise _UnreadableError
        text = self._alternatives()
        if self._next() != ")":
            raise _UnreadableError
        self._groups -= 1
        return text

    def _escape(self) -> str:
        """The characters that an escape stands for; none for a boundary."""
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in "bB":
            return ""
        if char in "pP":
            return self._property(char == "P")
        if char in "xu":
            return self._code_point(char)
        if char == "c":
            return chr(ord(self._next()) % 32)
        return _ESCAPES.get(char, char)

    def _property(self, negated: bool) -> str:
        if self._next() != "{":
            raise _UnreadableError
        name = ""
        while (char := self._next()) != "}":
            name += char
        chars = _PROPERTIES.get(name.rpartition("=")[2])
        if chars is None:
            raise _UnreadableError
        return "".join(char for char in _ANY + " 1-" if char not in chars) if negated else chars

    def _code_point(self, kind: str) -> str:
        if self._peek() == "{":
            self._next()
            digits = ""
            while (char := self._next()) != "}":
                digits += char
        else:
            digits = "".join(self._next() for _ in range(2 if kind == "x" else 4))
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise _UnreadableError from None

    def _class(self) -> str:
        negated = self._peek() == "^"
        if negated:
            self._next()
        chars = ""
        while (char := self._next()) != "]" or not chars:
            if char == "[" and self._peek() in "[:":
                raise _UnreadableError
            member = self._escape() if char == "\\" else char
            chars += member
            if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._next()
                end = self._next()
                end = self._escape() if end == "\\" else end
                chars += "".join(chr(code) for code in range(ord(member[-1:] or "a"), ord(end[-1:] or "a") + 1)[:64])
                chars += end[-1:]
        if negated:
            chars = "".join(char for char in "aZ0-é !_/" if char not in chars)
        return self._one_of(chars)

    def _one_of(self, chars: str) -> str:
        if not chars:
            return ""
        return chars[(0, len(chars) // 2, len(chars) - 1)[self._turn % 3]]

    def _quantifier(self) -> tuple[int, int | None]:
        """Least and most repetitions; None for no bound."""
        char = self._peek()
        if char not in ("*", "+", "?", "{") or (char == "{" and not self._counted()):
            return 1, 1
        self._next()
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1), "{": (0, 0)}[char]
        if char == "{":
            least, most = self._counts()
        if self._peek() == "?":
            self._next()
        return min(least, SAMPLE_CHARS_MAX), most

    def _counted(self) -> bool:
        end = self._pattern.find("}", self._at)
        inside = self._pattern[self._at + 1 : end]
        return end > 0 and bool(inside) and len(inside) < 20 and all(char in "0123456789," for char in inside)

    def _counts(self) -> tuple[int, int | None]:
        inside = ""
        while (char := self._next()) != "}":
            inside += char
        least, comma, most = inside.partition(",")
        return int(least or 0), (int(most) if most else None) if comma else int(least or 0)

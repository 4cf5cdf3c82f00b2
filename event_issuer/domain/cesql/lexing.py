"""The tokens of an expression, each with its column. Source: CESQL 1.0.0 §2.2 to §2.4. Knows no grammar.

Keywords are read in any case. A word of lower-case letters and digits may name an attribute, one of letters and `_` a
function; which of the two it is, the parser sees by the parenthesis behind it.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from event_issuer.domain.cesql.syntax import Fault, FaultKind

KEYWORDS: Final = frozenset({"AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"})

_SPACE: Final = re.compile(r"[ \t\r\n]*")
# In a string a backslash makes a pair with what follows, so that a literal can end in two of them.
_TOKEN: Final = re.compile(
    r"(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<word>[A-Za-z0-9_]+)|(?P<symbol><>|!=|<=|>=|[-+*/%=<>(),])",
    re.DOTALL,
)


class TokenKind(Enum):
    STRING = auto()
    INTEGER = auto()
    WORD = auto()
    KEYWORD = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is a string's value, a keyword in upper case, else what was written."""

    kind: TokenKind
    text: str
    column: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The last one is the END. Raises Fault."""
    found: list[Token] = []
    at = _space_end(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        found.append(_token(match))
        at = _space_end(text, match.end())
    return [*found, Token(TokenKind.END, "the end", len(text) + 1, len(text))]


def _token(match: re.Match[str]) -> Token:
    text, column, end = match[0], match.start() + 1, match.end()
    if match.lastgroup == "string":
        return Token(TokenKind.STRING, text[1:-1].replace(f"\\{text[0]}", text[0]), column, end)
    if match.lastgroup == "symbol":
        return Token(TokenKind.SYMBOL, text, column, end)
    if text.upper() in KEYWORDS:
        return Token(TokenKind.KEYWORD, text.upper(), column, end)
    return Token(TokenKind.INTEGER if text.isdecimal() else TokenKind.WORD, text, column, end)


def _space_end(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _unreadable(text: str, at: int) -> Fault:
    if text[at] in "'\"":
        return Fault(FaultKind.PARSE, at + 1, "This string does not end.")
    return Fault(FaultKind.PARSE, at + 1, f"{text[at]!r} has no meaning here.")

"""The parser: an expression's text as a syntax tree, by precedence climbing (Pratt). Source: CESQL 1.0.0 §2 and §3.6.

Bounded in depth. Where the specification reads an expression otherwise than most readers of SQL, and than the SDKs for
Go and Java, the tree is the specification's and the place is noted in `surprises`. Knows no functions and no event.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from event_issuer.domain.cesql.lexing import Token, TokenKind, tokens_of
from event_issuer.domain.cesql.syntax import (
    COMPARISONS,
    LOGIC,
    Attribute,
    Call,
    Chain,
    Exists,
    Fault,
    FaultKind,
    In,
    Like,
    Link,
    Literal,
    Node,
    Unary,
)

DEPTH_MAX: Final = 32  # parentheses, unary operators and calls inside each other; each is a frame or two of Python's
INTEGER_MIN: Final = -(2**31)  # §3.1
INTEGER_MAX: Final = 2**31 - 1

_LOGIC, _COMPARISON, _SUM, _PRODUCT, _POSTFIX = range(1, 6)  # the weakest first; unary operators bind more strongly
_PRECEDENCE: Final = (
    dict.fromkeys(LOGIC, _LOGIC)
    | dict.fromkeys(COMPARISONS, _COMPARISON)
    | dict.fromkeys("+-", _SUM)
    | dict.fromkeys("*/%", _PRODUCT)
    | dict.fromkeys(("NOT", "LIKE", "IN"), _POSTFIX)
)


@dataclass(frozen=True, slots=True)
class Parsed:
    tree: Node
    surprises: tuple[Fault, ...] = ()


def parse(text: str) -> Parsed:
    """Raises Fault, of kind PARSE."""
    parser = _Parser(tokens_of(text))
    tree = parser.expression()
    if parser.token.kind is not TokenKind.END:
        raise _unexpected(parser.token, "an operator")
    return Parsed(tree, tuple(parser.surprises))


@dataclass(slots=True)
class _Parser:
    tokens: list[Token]
    at: int = 0
    depth: int = 0
    surprises: list[Fault] = field(default_factory=list)
    bare_nots: set[int] = field(default_factory=set)  # columns of those that no parenthesis encloses

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def is_at(self, text: str) -> bool:
        return self.token.kind in (TokenKind.SYMBOL, TokenKind.KEYWORD) and self.token.text == text

    def expect(self, text: str) -> Token:
        if not self.is_at(text):
            raise _unexpected(self.token, repr(text))
        return self.take()

    def deeper(self, parse_inner: Callable[[], Node], at: Token) -> Node:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            message = f"An expression is at most {DEPTH_MAX} levels deep."
            raise Fault(FaultKind.PARSE, at.column, message)
        node = parse_inner()
        self.depth -= 1
        return node

    def expression(self, above: int = 0) -> Node:
        """What binds more strongly than `above`."""
        node = self.operand()
        while True:
            token = self.token
            infix = token.kind in (TokenKind.SYMBOL, TokenKind.KEYWORD)
            precedence = _PRECEDENCE.get(token.text, 0) if infix else 0
            if precedence <= above:
                return node
            self.note_bare_not(node, precedence)
            node = self.postfix(node) if precedence == _POSTFIX else self.chain(node, precedence)

    def chain(self, first: Node, precedence: int) -> Node:
        links: list[Link] = []
        while self.token.kind in (TokenKind.SYMBOL, TokenKind.KEYWORD) and (
            _PRECEDENCE.get(self.token.text) == precedence
        ):
            operator = self.take()
            links.append(Link(operator.text, self.expression(precedence), operator.column))
        self.note_mixture(links)
        return Chain(first, tuple(links), links[-1].column)

    def postfix(self, operand: Node) -> Node:
        negated = self.is_at("NOT") and bool(self.take())
        operator = self.take()
        if operator.kind is TokenKind.KEYWORD and operator.text == "LIKE":
            pattern = self.take()
            if pattern.kind is not TokenKind.STRING:
                raise _unexpected(pattern, "a string")  # §3.4.3: a literal
            return Like(operand, pattern.text, negated, operator.column)
        if operator.kind is TokenKind.KEYWORD and operator.text == "IN":
            self.expect("(")
            return In(operand, self.listed(), negated, operator.column)
        raise _unexpected(operator, "LIKE or IN")

    def listed(self) -> tuple[Node, ...]:
        """Expressions up to a closing parenthesis; at least one."""
        found = [self.deeper(self.expression, self.token)]
        while self.is_at(","):
            self.take()
            found.append(self.deeper(self.expression, self.token))
        self.expect(")")
        return tuple(found)

    def operand(self) -> Node:
        token = self.take()
        match token.kind:
            case TokenKind.STRING:
                return Literal(token.text, token.column)
            case TokenKind.INTEGER:
                return _integer(token, token.text)
            case TokenKind.KEYWORD:
                return self.keyword(token)
            case TokenKind.WORD:
                return self.word(token)
        if token.text == "(" and token.kind is TokenKind.SYMBOL:
            inner = self.deeper(self.expression, token)
            self.expect(")")
            self.bare_nots.discard(inner.column)
            return inner
        if token.text in "+-" and token.kind is TokenKind.SYMBOL:
            return self.signed(token)
        raise _unexpected(token, "an attribute, a literal, a function or (")

    def keyword(self, token: Token) -> Node:
        if token.text in ("TRUE", "FALSE"):
            return Literal(token.text == "TRUE", token.column)
        if token.text == "NOT":
            self.bare_nots.add(token.column)
            return Unary("NOT", self.deeper(self.operand, token), token.column)
        if token.text == "EXISTS":
            name = self.take()
            if name.kind not in (TokenKind.WORD, TokenKind.INTEGER):
                raise _unexpected(name, "the name of an attribute")
            return Exists(_attribute_name(name), token.column)
        raise _unexpected(token, "an attribute, a literal, a function or (")

    def word(self, token: Token) -> Node:
        if not self.is_at("("):
            return Attribute(_attribute_name(token), token.column)
        if any(c.isdecimal() for c in token.text) or token.text[0] == "_":
            raise Fault(FaultKind.PARSE, token.column, f"A function has a name of letters and _, not {token.text}.")
        self.take()
        if self.is_at(")"):
            self.take()
            return Call(token.text.upper(), (), token.column)
        return Call(token.text.upper(), self.listed(), token.column)

    def signed(self, sign: Token) -> Node:
        """A literal with its sign (§2.2), which alone reaches the least integer; else the minus of something."""
        number = self.token
        if number.kind is TokenKind.INTEGER and number.column == sign.end + 1:
            self.take()
            return _integer(sign, sign.text + number.text)
        if sign.text == "+":
            raise _unexpected(sign, "an attribute, a literal, a function or (")
        return Unary("-", self.deeper(self.operand, sign), sign.column)

    def note_bare_not(self, left: Node, precedence: int) -> None:
        if isinstance(left, Unary) and left.column in self.bare_nots and precedence > _LOGIC:
            message = f"NOT binds more strongly than {self.token.text}: put what it negates in parentheses."
            self.surprises.append(Fault(FaultKind.PARSE, left.column, message))

    def note_mixture(self, links: list[Link]) -> None:
        for link in links:
            if link.operator in LOGIC and link.operator != links[0].operator:
                message = "AND, OR and XOR bind equally, from left to right: say by parentheses which comes first."
                self.surprises.append(Fault(FaultKind.PARSE, link.column, message))
                return


def _integer(token: Token, text: str) -> Literal:
    if len(text) > len("-2147483648") or not INTEGER_MIN <= int(text) <= INTEGER_MAX:
        raise Fault(FaultKind.PARSE, token.column, f"An integer has 32 bits; {text:.40} has more.")
    return Literal(int(text), token.column)


def _attribute_name(token: Token) -> str:
    if not token.text.isascii() or not token.text.isalnum() or token.text != token.text.lower():
        message = f"An attribute has a name of a to z and 0 to 9, not {token.text:.40}."
        raise Fault(FaultKind.PARSE, token.column, message)
    return token.text


def _unexpected(token: Token, wanted: str) -> Fault:
    found = token.text if token.kind is TokenKind.END else repr(token.text[:40])
    return Fault(FaultKind.PARSE, token.column, f"Here stands {found}, where {wanted} is expected.")

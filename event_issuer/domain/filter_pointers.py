"""Whether a document that keeps a schema can have a value at a JSON Pointer. No only where the schema forbids it.

What is not looked at (`not`, `if`, the text of a pattern, counts) is taken to allow it: a no is never wrong, a yes may
be. Knows no versions and no filter.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from event_issuer.domain.catalogue import dialect_of
from event_issuer.domain.dialects import Dialect
from event_issuer.domain.json_pointers import NOTHING, index_of, value_at
from event_issuer.domain.subschemas import Subschema, reference_targets, subschemas_of
from event_issuer.domain.violations import pointer_token

# With one of these a property may be evaluated elsewhere, so that `unevaluated…` says nothing by itself.
_APPLICATORS: Final = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef", "$recursiveRef"}
    | {"dependentSchemas", "dependencies", "contains"}
)


class Shape:
    """One schema, which has passed as a contract, taken apart once for any number of pointers."""

    def __init__(self, definition: dict[str, object]) -> None:
        self._dialect: Dialect = dialect_of(definition)
        self._found = subschemas_of(definition, self._dialect)
        self._by_pointer = {subschema.pointer: index for index, subschema in enumerate(self._found)}
        self._targets = reference_targets(self._found, self._dialect)

    def may_have(self, tokens: Sequence[str]) -> bool:
        return _Search(self, tokens).may_have(0, 0)

    def subschema(self, index: int) -> Subschema:
        return self._found[index]

    def child(self, of: Subschema, *steps: str) -> int | None:
        """The subschema at these steps below another, if there is one."""
        return self._by_pointer.get(of.pointer + "".join(f"/{pointer_token(step)}" for step in steps))

    def reference(self, of: Subschema) -> int | None:
        return self._targets.get(unquote(str(of.keyword("$ref"))))

    def stands_alone(self, of: Subschema) -> bool:
        return self._dialect.ref_stands_alone and of.keyword("$ref") is not None


class _Search:
    """One pointer; each subschema is asked once about each rest of it."""

    def __init__(self, shape: Shape, tokens: Sequence[str]) -> None:
        self._shape, self._tokens = shape, tuple(tokens)
        self._known: dict[tuple[int, int], bool] = {}

    def may_have(self, index: int, level: int) -> bool:
        """Whether a value that keeps this subschema can have one at the tokens from `level` on."""
        key = (index, level)
        if key not in self._known:
            self._known[key] = self._look(self._shape.subschema(index), level)
        return self._known[key]

    def _look(self, subschema: Subschema, level: int) -> bool:
        if isinstance(subschema.definition, bool):
            return subschema.definition
        target = self._shape.reference(subschema)
        if target is not None and not self.may_have(target, level):
            return False
        if self._shape.stands_alone(subschema):
            return True
        return self._branches(subschema, level) and self._own(subschema, level)

    def _branches(self, subschema: Subschema, level: int) -> bool:
        every = self._members(subschema, "allOf")
        if not all(self.may_have(index, level) for index in every):
            return False
        for keyword in ("anyOf", "oneOf"):
            some = self._members(subschema, keyword)
            if some and not any(self.may_have(index, level) for index in some):
                return False
        return True

    def _own(self, subschema: Subschema, level: int) -> bool:
        rest = self._tokens[level:]
        definition = subschema.definition
        if isinstance(definition, Mapping):
            listed = [definition["const"]] if "const" in definition else definition.get("enum")
            if isinstance(listed, list) and all(value_at(value, rest) is NOTHING for value in listed):
                return False
        return not rest or self._in_object(subschema, level) or self._in_array(subschema, level)

    def _in_object(self, subschema: Subschema, level: int) -> bool:
        if not _allows(subschema, "object"):
            return False
        named = self._shape.child(subschema, "properties", self._tokens[level])
        if named is not None:
            return self.may_have(named, level + 1)
        if subschema.keyword("patternProperties"):
            return True
        return self._others(subschema, "additionalProperties", "unevaluatedProperties", level)

    def _in_array(self, subschema: Subschema, level: int) -> bool:
        index = index_of(self._tokens[level])
        if index is None or not _allows(subschema, "array"):
            return False
        for listed in ("prefixItems", "items"):
            found = self._shape.child(subschema, listed, str(index))
            if found is not None:
                return self.may_have(found, level + 1)
        others = "additionalItems" if isinstance(subschema.keyword("items"), list) else "items"
        return self._others(subschema, others, "unevaluatedItems", level)

    def _others(self, subschema: Subschema, others: str, unevaluated: str, level: int) -> bool:
        found = self._shape.child(subschema, others)
        if (
            found is None
            and isinstance(subschema.definition, Mapping)
            and not _APPLICATORS & subschema.definition.keys()
        ):
            found = self._shape.child(subschema, unevaluated)
        return found is None or self.may_have(found, level + 1)

    def _members(self, subschema: Subschema, keyword: str) -> list[int]:
        listed = subschema.keyword(keyword)
        count = len(listed) if isinstance(listed, list) else 0
        found = (self._shape.child(subschema, keyword, str(number)) for number in range(count))
        return [index for index in found if index is not None]


def _allows(subschema: Subschema, type_: str) -> bool:
    types = subschema.keyword("type")
    return types is None or types == type_ or (isinstance(types, list) and type_ in types)

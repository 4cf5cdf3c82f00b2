"""A form as a conjunction of parts, and what each part says of one place: what proofs are made of. Proves nothing."""

from collections.abc import Iterable, Mapping

from event_issuer.domain.compatibility_forms import OPAQUE, Form, form_under, forms_under, map_under, text_of

Parts = tuple[Form, ...]


def cases(part: dict[str, object], keyword: str) -> list[list[Form]]:
    """The alternatives, each as a conjunction; together they are no narrower than the keyword."""
    if keyword != "if":
        return [[form] for form in forms_under(part, keyword)]
    holds = form_under(part, "if")
    return [[holds, form_under(part, "then")], [{"not": holds}, form_under(part, "else")]]


def cases_in(form: Form) -> int:
    """How many choices of branches one value may have, with those of the values inside it in the sum."""
    if isinstance(form, bool):
        return 1
    found = 1
    for keyword in ("anyOf", "oneOf"):
        if keyword in form:
            found *= sum(map(cases_in, forms_under(form, keyword)))
    for part in forms_under(form, "allOf"):
        found *= cases_in(part)
    if "if" in form:
        holds = cases_in(form_under(form, "if"))
        found *= holds * (cases_in(form_under(form, "then")) + cases_in(form_under(form, "else")))
    required = form.get("dependentRequired")
    found <<= min(len(required), 64) if isinstance(required, dict) else 0
    for part in map_under(form, "dependentSchemas").values():
        found *= 1 + cases_in(part)
    inside = [form_under(form, keyword) for keyword in ("additionalProperties", "items", "contains", "not")]
    inside += [*map_under(form, "properties").values(), *map_under(form, "patternProperties").values()]
    return max(found + sum(cases_in(part) - 1 for part in (*inside, *forms_under(form, "prefixItems"))), 1)


def branches_taken(found: Mapping[str, Form]) -> Iterable[Form]:
    """What follows from conditions that are known to hold, or not to hold."""
    for part in found.values():
        if isinstance(part, dict) and "if" in part:
            holds, fails = text_of(part["if"]) in found, text_of({"not": part["if"]}) in found
            yield form_under(part, "then") if holds else form_under(part, "else") if fails else True


def all_of(forms: Iterable[Form]) -> Form:
    """The conjunction, flat and in one order, so that equal questions are recognised."""
    found: dict[str, Form] = {}
    for form in forms:
        inner = forms_under(form, "allOf") if isinstance(form, dict) and form.keys() == {"allOf"} else [form]
        found |= {text_of(one): one for one in inner if one is not True and one != {}}
    if False in found.values():
        return False
    parts = [found[text] for text in sorted(found)]
    return True if not parts else parts[0] if len(parts) == 1 else {"allOf": parts}


def applied_to_name(part: Form, name: str, matching: Iterable[str]) -> list[Form]:
    named, patterned = map_under(part, "properties"), map_under(part, "patternProperties")
    applied = [named[name]] if name in named else []
    applied += [patterned[pattern] for pattern in sorted(matching) if pattern in patterned]
    return applied or [form_under(part, "additionalProperties")]


def applied_to_item(part: Form, index: int) -> Form:
    prefix = forms_under(part, "prefixItems")
    return prefix[index] if index < len(prefix) else form_under(part, "items")


def states(parts: Parts, keyword: str, goal: Mapping[str, object]) -> bool:
    """Whether one part has the very same keyword."""
    text = text_of(goal[keyword])
    return any(isinstance(part, dict) and keyword in part and text_of(part[keyword]) == text for part in parts)


def excludes_type(parts: Parts, name: str) -> bool:
    return any(
        isinstance(part, dict) and name not in (kinds if isinstance(kinds := part.get("type", name), list) else [kinds])
        for part in parts
    )


def counts_evaluated(part: Form) -> bool:
    """Whether the part looks at what its other keywords have evaluated: it cannot be taken apart."""
    return isinstance(part, dict) and any("unevaluated" in keyword for keyword in part)


def is_opaque(keyword: str) -> bool:
    return keyword.startswith(OPAQUE)


def has_opaque_keyword(part: dict[str, object]) -> bool:
    return any(map(is_opaque, part))


def holding(parts: Parts, keyword: str) -> list[dict[str, object]]:
    return [part for part in parts if isinstance(part, dict) and keyword in part]

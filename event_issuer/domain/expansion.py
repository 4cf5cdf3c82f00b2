"""How much work a schema makes: which subschemas apply to each place of a document, and how many times.

A short schema can make any amount of work: two references to the next schema in every link of a chain double
it per link, and a schema that applies twice to its own child doubles it per level of the document. Both show
when the places of all possible documents are walked with the multiset of subschemas that apply there. The
walk takes every branch of `anyOf`, `if` and the like as tried and every pattern as matched: the count is
never too low, and where it is too high, a schema is refused that would have been bearable.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from event_issuer.domain.dialects import Dialect, Place
from event_issuer.domain.subschemas import Subschema, children_first, subschemas_of
from event_issuer.domain.violations import pointer_token, refuse, violation

# Checks on one value. A union of a hundred well-filled types needs some hundreds; 1,000 take about 20 µs when
# they say yes or no, and 5 ms when each has to explain itself.
CHECKS_MAX = 1_000
# Sum, over all places, of the subschemas that apply there and of the ways down: some 0.2 s of walking.
EXPANSION_MAX = 50_000
# Levels of a document that are looked at. What doubles with each level is found within ten; what grows by the
# same amount with each level (a recursive type, extended recursively) stays bearable at this depth and below.
LEVELS_MAX = 64
# `unevaluatedProperties` and `unevaluatedItems` apply what is beside them again, to learn what was evaluated:
# in jsonschema-rs 0.60 each nesting was measured to cost 2.7 times the one inside it.
UNEVALUATED_FACTOR = 3
# Explaining an error copies the value it is about: this many values cost as much as the error itself.
VALUES_PER_ERROR = 16
# As much of a place in a document as a message needs.
_PATH_CHARS = 60


@dataclass(slots=True)
class Spot:
    """A place in a document, or many alike: what applies there, and the spots below (None: nothing applies).

    `named` has the property names and item indices that are told apart from the rest.
    """

    checks: int
    subschemas: list[Subschema]
    named: dict[str | int, "Spot | None"] = field(default_factory=dict)
    other_properties: "Spot | None" = None
    other_items: "Spot | None" = None

    def below(self, key: str | int) -> "Spot | None":
        """The spot of the property of that name, or of the item at that index."""
        return self.named.get(key, self.other_properties if isinstance(key, str) else self.other_items)


class Expansion:
    """The spots of all documents that a schema can judge, from `root` down; recursive where the schema is."""

    def __init__(self, definition: Mapping[str, object], dialect: Dialect) -> None:
        """Raises `SchemaInvalid` like `subschemas_of`, and for more work than the bounds allow."""
        self._subschemas = subschemas_of(definition, dialect)
        self._checks = self._checks_in_place()
        self._spots: dict[frozenset[tuple[int, int]], Spot] = {}
        self._size = 0
        self._fresh: list[tuple[Spot, Counter[int], str]] = []
        self.root = self._spot(Counter({0: 1}), "")
        for _ in range(LEVELS_MAX):
            level, self._fresh = self._fresh, []
            for spot, here, path in level:
                self._descend(spot, here, path)
        for spot, _, _ in self._fresh:
            spot.other_properties = spot.other_items = spot  # deeper than we look: taken to go on like this

    @property
    def branches(self) -> bool:
        """Whether some error can list the errors of several branches."""
        return any(s.keyword("anyOf") or s.keyword("oneOf") for s in self._subschemas)

    @property
    def patterns(self) -> set[str]:
        """Every regular expression in the schema."""
        found: set[object] = {s.keyword("pattern") for s in self._subschemas}
        for subschema in self._subschemas:
            named = subschema.keyword("patternProperties")
            found |= named.keys() if isinstance(named, dict) else set()
        return {pattern for pattern in found if isinstance(pattern, str)}

    def _checks_in_place(self) -> list[int]:
        """For each subschema: the checks it makes on one value, with those of all that it applies to it."""
        checks = [0] * len(self._subschemas)
        for index in children_first(self._subschemas):
            subschema = self._subschemas[index]
            below = sum(checks[child] for child in subschema.applied[Place.SAME])
            checks[index] = subschema.weight + _factor(subschema) * below
        return checks

    def _spot(self, entered: Counter[int], path: str) -> Spot:
        """The spot where these subschemas are entered, so many times each; `path` is one such place."""
        key = frozenset(entered.items())
        if key not in self._spots:
            checks = sum(self._checks[index] * times for index, times in entered.items())
            self._refuse_if_too_much(checks, entered, path)
            here = self._all_in_place(entered)
            spot = Spot(checks, [self._subschemas[index] for index in here])
            self._spots[key] = spot
            self._fresh.append((spot, here, path))
        return self._spots[key]

    def _refuse_if_too_much(self, checks: int, entered: Counter[int], path: str) -> None:
        problem = ""
        if checks > CHECKS_MAX:
            place = path or "the root"
            problem = f"More than {CHECKS_MAX} checks would apply to one value of a document: {place}"
        elif self._size > EXPANSION_MAX:
            problem = f"The schema makes more than {EXPANSION_MAX} combinations of places and subschemas"
        if problem:
            heaviest = max(entered, key=lambda index: self._checks[index] * entered[index])
            refuse([violation(self._subschemas[heaviest].pointer, "expense", problem)])

    def _all_in_place(self, entered: Counter[int]) -> Counter[int]:
        """The subschemas entered and those that they apply to the same value; at most `CHECKS_MAX`."""
        here: Counter[int] = Counter()
        to_do = list(entered.items())
        while to_do:
            index, times = to_do.pop()
            here[index] += times
            subschema = self._subschemas[index]
            to_do += [(child, times * _factor(subschema)) for child in subschema.applied[Place.SAME]]
        self._size += len(here)
        return here

    def _descend(self, spot: Spot, here: Counter[int], path: str) -> None:
        other_properties = self._applied(here, (Place.EVERY_PROPERTY, Place.OTHER_PROPERTIES))
        other_items = self._applied(here, (Place.EVERY_ITEM, Place.OTHER_ITEMS))
        named: dict[str | int, Counter[int]] = {}
        for index, times in here.items():
            subschema = self._subschemas[index]
            for key, child in subschema.named.items():
                in_object = isinstance(key, str)
                if key not in named:
                    named[key] = (other_properties if in_object else other_items).copy()
                named[key][child] += times
                for other in subschema.applied[Place.OTHER_PROPERTIES if in_object else Place.OTHER_ITEMS]:
                    named[key][other] -= times
        self._size += len(named)
        for key, entered in named.items():
            spot.named[key] = self._spot_below(entered, path, key)
        spot.other_properties = self._spot_below(other_properties, path, "*")
        spot.other_items = self._spot_below(other_items, path, 0)

    def _applied(self, here: Counter[int], places: Iterable[Place]) -> Counter[int]:
        applied: Counter[int] = Counter()
        for place in places:
            for index, times in here.items():
                for child in self._subschemas[index].applied[place]:
                    applied[child] += times
        return applied

    def _spot_below(self, entered: Counter[int], path: str, key: str | int) -> Spot | None:
        entered = +entered  # without those that are applied zero times
        return self._spot(entered, f"{path}/{pointer_token(str(key))}"[:_PATH_CHARS]) if entered else None

    def cost(self, document: object, limit: int) -> int:
        """How many checks can fail on `document`, weighted by what explaining takes; stops above `limit`."""
        cost = 0
        to_do: list[tuple[object, Spot | None, int]] = [(document, self.root, 0)]
        while to_do and cost <= limit:
            value, spot, above = to_do.pop()
            checks = spot.checks if spot else 0
            above += checks
            cost += 1 + checks + above // VALUES_PER_ERROR
            if not isinstance(value, (dict, list)):
                continue
            if len(value) > limit:
                return limit + 1
            for key, child in value.items() if isinstance(value, dict) else enumerate(value):
                to_do.append((child, spot.below(key) if spot else None, above))
        return cost


def _factor(subschema: Subschema) -> int:
    looks_again = ("unevaluatedProperties", "unevaluatedItems")
    return UNEVALUATED_FACTOR if any(subschema.keyword(name) is not None for name in looks_again) else 1

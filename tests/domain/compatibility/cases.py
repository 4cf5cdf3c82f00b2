"""The cases of compatibility: two versions of a schema, the verdicts, and why, in one line each.

A verdict has two letters: may the new version follow the old one under BACKWARD, and under FORWARD? C is COMPATIBLE,
I is INCOMPATIBLE, U is UNDECIDED; a U says in its line why nobody can tell, or why we cannot.
"""

from typing import NamedTuple

Schema = dict[str, object]

SAME = "CC"  # the same documents
WIDER = "CI"  # new takes all that old took, and more: old readers meet what they do not know
NARROWER = "IC"  # new takes less: what was written under old may be refused by new readers
OTHER = "II"  # each takes something that the other refuses

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019_09 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"


class Case(NamedTuple):
    why: str
    old: Schema
    new: Schema
    verdicts: str


def of(draft: str, **keywords: object) -> Schema:
    return {"$schema": draft, **keywords}


def d7(**keywords: object) -> Schema:
    return of(DRAFT_07, **keywords)


def d19(**keywords: object) -> Schema:
    return of(DRAFT_2019_09, **keywords)

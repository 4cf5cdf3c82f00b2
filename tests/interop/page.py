"""The tables of docs/interoperability.md, from the explained differences: `python -m tests.interop.page` writes them.

The page's own words stay; what stands between `<!-- NAME -->` and `<!-- end -->` is generated. Knows no SDK but by what
was compared.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.interop.comparing import SDKS, counts
from tests.interop.differences import DIRECTIONS, Difference, explained
from tests.interop.explained_javascript import JAVASCRIPT
from tests.interop.explained_python import PYTHON

PAGE: Final = Path(__file__).parents[2] / "docs" / "interoperability.md"
EXPLAINED: Final[Mapping[str, Sequence[Difference]]] = {"Python": PYTHON, "JavaScript": JAVASCRIPT}

_GENERATED: Final = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PIPE: Final = r"\|"  # in a cell of a table


def filled(text: str) -> str:
    return _GENERATED.sub(lambda match: f"{match[1]}{_part(match[2])}{match[3]}", text)


def _part(name: str) -> str:
    return count_table() if name == "counts" else difference_table(EXPLAINED[name])


def count_table() -> str:
    lines = ["| SDK | messages | compared | equal | explained | unexplained |", "|---|---|---|---|---|---|"]
    for name, make in SDKS.items():
        sdk = make()
        for direction, count in counts(sdk.compared(), explained(EXPLAINED[name])).items():
            figures = [sdk.title, DIRECTIONS[direction], *map(str, count)]
            lines.append(f"| {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def difference_table(differences: Sequence[Difference]) -> str:
    lines = ["| The SDK … | We …, because | So |", "|---|---|---|"]
    for entry in differences:
        cells = [entry.does, f"{entry.ours}: {entry.decides}", entry.advice]
        lines.append(f"| {' | '.join(cell.replace('|', _PIPE) for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")

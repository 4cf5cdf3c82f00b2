"""The table of roles in the documents is the one in the code."""

from pathlib import Path

from event_issuer.roles import HOUSEKEEPING, LOOPS, Role

PAGE = Path(__file__).parents[1] / "docs/operations.md"


def test_the_documents_say_which_role_runs_which_loop() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.count("|") == 6]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    roles = [Role(cell.strip("`")) for cell in header[1:4]]
    assert {
        loop: frozenset(role for role, cell in zip(roles, cells, strict=False) if cell == "yes")
        for loop, *cells in rows
    } == LOOPS
    assert {loop for loop, *_, what in rows if what.endswith("in the oldest process only")} == HOUSEKEEPING

"""The bench of filters measures what it says: equal ones are evaluated once per event, different ones each."""

import pytest

from bench import filtering


@pytest.mark.parametrize(("name", "count"), [("exact", 30), ("sql", 30), ("data", 30)])
def test_evaluations_are_counted(name: str, count: int) -> None:
    made = filtering.DIFFERENT[name]
    assert filtering.of_subscriptions([made(number) for number in range(count)], 4)[1] == count * 4
    assert filtering.of_subscriptions([made(4521)] * count, 4)[1] == 4


def test_a_small_run_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert filtering.main(["--subscriptions", "3", "--records", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in lines if ", all " in line] == [["6", "3"], ["2", "1"]] * 4
    assert all(any(line.strip().startswith(name) for line in lines) for name in filtering.SINGLE)

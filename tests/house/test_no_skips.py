"""In CI a test that does not run to its end is a failure; elsewhere it is a skip."""

import pytest

pytest_plugins = ["pytester"]

MODULE = """
import pytest

def test_runs(): pass

def test_skips(): pytest.skip("no tool")

@pytest.mark.xfail(reason="known")
def test_fails(): assert False
"""
SKIPPED_MODULE = "import pytest\npytest.skip('no tool', allow_module_level=True)"


def outcomes(pytester: pytest.Pytester, source: str) -> dict[str, int]:
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess("-p", "tests.no_skips", "-p", "no:asyncio").parseoutcomes()


def test_in_ci_a_skip_and_an_expected_failure_fail(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert outcomes(pytester, MODULE) == {"passed": 1, "failed": 2}


def test_in_ci_a_skipped_module_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert outcomes(pytester, SKIPPED_MODULE) == {"errors": 1}


def test_elsewhere_a_skip_is_a_skip(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert outcomes(pytester, MODULE) == {"passed": 1, "skipped": 1, "xfailed": 1}

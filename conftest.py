"""Loads the plugins of every test run, however pytest is started."""

from hypothesis import settings

from tests.kafka.kinds import broker_line

pytest_plugins = ["tests.no_skips"]


def pytest_report_header() -> str:
    return broker_line()


# The same examples in every run: a test that fails now and then is a defect. A busy machine may take its time.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")

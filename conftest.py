"""Loads the plugins of every test run, however pytest is started."""

pytest_plugins = ["tests.no_skips"]

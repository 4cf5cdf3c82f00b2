"""The brokers that tests run against: shared by a run, gone after it, stopped and started again with what they had."""

import fcntl
import socket
from pathlib import Path

import pytest

from tests.kafka.process import NoKafka
from tests.kafka.shared import shared_broker


def answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_users_share_a_broker_that_ends_with_the_last_of_them(tmp_path: Path) -> None:
    try:
        with shared_broker(tmp_path) as first:
            with shared_broker(tmp_path) as second:
                assert first == second
            assert answers(first[1])
    except NoKafka as problem:
        pytest.skip(f"no Kafka: {problem}")
    with (tmp_path / "users").open("w") as users:
        while (tmp_path / "address").exists():  # the keeper comes before us, or is about to
            fcntl.flock(users, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
    assert not answers(first[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["starting", "users"]

"""Every async test of the room runs on both event loops: uvloop, and asyncio where that does not exist."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from event_issuer.egress.sender import WebhookSender
from tests.egress.names import Names
from tests.egress.receiver import Receivers


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    """Starts receivers, and stops them after the test."""
    async with Receivers() as receivers:
        yield receivers


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def sender(names: Names) -> AsyncIterator[WebhookSender]:
    sender = WebhookSender(names)
    yield sender
    await sender.close()

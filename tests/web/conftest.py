"""Fixtures of the HTTP face."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.web.faces import Face, in_process


@pytest.fixture
def face() -> Face:
    return Face()


@pytest.fixture
async def client(face: Face) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(face.app()) as client:
        yield client

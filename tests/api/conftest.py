"""A whole issuer per test, on each store, behind its ASGI application."""

from collections.abc import AsyncIterator

import httpx
import pytest

from event_issuer.app import Issuer, asgi_app, open_issuer
from event_issuer.domain.access import EVERYTHING, Action, Policy
from event_issuer.security.sealing import new_sealing_key
from event_issuer.settings import Settings, load_settings
from tests.api.partners import Partner, Partners
from tests.egress.receiver import Receivers

PUBLIC_URL = "https://events.example.com"


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Loopback endpoints are allowed, as the demo has them."""
    return load_settings(
        database_url=database_url,
        sealing_key=new_sealing_key(),
        http_allowed=True,
        allowed_networks=["127.0.0.0/8"],
        verification_optional=True,
        grace_s=1,
    )


@pytest.fixture
async def issuer(settings: Settings) -> AsyncIterator[Issuer]:
    async with open_issuer(settings, PUBLIC_URL) as issuer:
        yield issuer


@pytest.fixture
async def http(issuer: Issuer, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(asgi_app(issuer, settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://issuer") as client:
        yield client


@pytest.fixture
def partners(issuer: Issuer, http: httpx.AsyncClient) -> Partners:
    return Partners(issuer, http)


@pytest.fixture
async def operator(partners: Partners) -> Partner:
    """May do everything, for the tenant that owns the event types."""
    return await partners.invite("banenor", *(Policy(action, EVERYTHING) for action in Action))


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    """Starts endpoints on loopback, and stops them after the test."""
    async with Receivers() as receivers:
        yield receivers

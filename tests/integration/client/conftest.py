"""The server of these tests, and clients of it."""

from collections.abc import Iterator

import pytest

from tests.integration.client.service import Service, running
from wuzapi_manager_client import WuzapiManager


@pytest.fixture
def service() -> Iterator[Service]:
    with running() as server:
        yield server


@pytest.fixture
def admin(service: Service) -> Iterator[WuzapiManager]:
    with WuzapiManager(service.address, admin_token="the-administrators-token") as client:
        yield client


@pytest.fixture
def me(service: Service) -> Iterator[WuzapiManager]:
    with WuzapiManager(service.address, token="token-of-ana", language="en") as client:
        yield client

"""What tests of webhooks share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.channels.base import Session
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.webhooks import secure_receiver, session


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A receiver by HTTP."""
    with WebhookReceiver() as started:
        yield started


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    """A receiver by HTTPS, whose certificate is trusted."""
    with secure_receiver(tmp_path, monkeypatch) as started:
        yield started


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session that may post to loopback."""
    with session(monkeypatch) as opened:
        yield opened

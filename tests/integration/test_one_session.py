"""Clients are made from one session: each further one reads botocore's data again at a cold start."""

from collections.abc import Iterator

import botocore.session
import pynamodb.connection.base
import pytest

from chalicelib import queues, sdk, security
from chalicelib.tables import base
from localstack.ports import LOOPBACK, free_port
from tests.support.aws import use_test_account


@pytest.fixture(autouse=True)
def _nothing_made_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_test_account(monkeypatch)
    queues.client.cache_clear()
    security.forget_secrets()
    base.forget_connections()
    # Nobody answers there: all that matters is that a client is made. (moto makes sessions of its own.)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{free_port()}")
    yield
    queues.client.cache_clear()
    security.forget_secrets()
    base.forget_connections()


def test_all_clients_of_a_process_are_made_from_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[botocore.session.Session] = []
    make = botocore.session.get_session

    def make_and_note(*_: object) -> botocore.session.Session:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(botocore.session, "get_session", make_and_note)
    monkeypatch.setattr(pynamodb.connection.base, "get_session", make_and_note)

    assert base._shared_connection().client.meta.service_model.service_name == "dynamodb"
    assert queues.client().meta.service_model.service_name == "sqs"
    with pytest.raises(security.SecretUnavailableError):
        security.read_secret("of nobody")

    assert made == [sdk.botocore_session()]

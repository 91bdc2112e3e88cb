"""A client of the original service does its whole round, with an outside users service beside it."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.deployment import COLD_SECONDS, Deployment
from tests.support.original_client import OriginalClient, Said
from tests.support.smtp import ScriptedSmtp
from tests.support.users_service import Close, Status, UsersService
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

PAGE_SIZE = 10
ADMINISTRATOR = "original"


@pytest.fixture(scope="module")
def outside() -> Iterator[UsersService]:
    """The users service, which gives ten contacts a page."""
    with UsersService(page_size=PAGE_SIZE, ids_as="hex") as service:
        yield service


@pytest.fixture(scope="module")
def administrator(vestnik: Deployment, outside: UsersService) -> str:
    """The password of an administrator of a deployment that is set to the users service."""
    known = outside.settings
    vestnik.deploy(
        Directory="http",
        GetUsersInfoHost=known["GET_USERS_INFO_HOST"],
        GetUserInfoHost=known["GET_USER_INFO_HOST"],
        PageSizeForNumbersInfoHost=PAGE_SIZE,
        NumberOfTriesToGetUsers=1,
        UsersServiceTimeoutSeconds=1,
        UserAuth="host",
        AuthHost=known["AUTH_HOST"],
    )
    made = vestnik.manage("create-administrator", f"{ADMINISTRATOR}-{uuid.uuid4().hex[:8]}")
    login, password = (line.split()[1] for line in made.splitlines()[:2])
    return f"{login} {password}"


@pytest.fixture
def service(outside: UsersService) -> Iterator[UsersService]:
    """The users service, as it is when nothing is wrong with it."""
    outside.behave()
    outside.asked.clear()
    yield outside
    outside.behave()


@pytest.fixture
def client(vestnik: Deployment, administrator: str) -> OriginalClient:
    return OriginalClient(vestnik.api_url)


def person(service: UsersService, login: str | None = None, email: str | None = None) -> tuple[str, str]:
    """A user of the users service: their id and token."""
    user_id, token = str(uuid.uuid4()), uuid.uuid4().hex
    service.add(user_id, email=email, login=login)
    service.tokens[token] = user_id.replace("-", "")
    return user_id, token


def register(client: OriginalClient, administrator: str) -> tuple[str, str]:
    """A new application: its slug and password."""
    login, password = administrator.split()
    tokens = client.user_token(login, password)
    assert (tokens.status, set(tokens.json)) == (200, {"access", "refresh"})
    access = client.refresh_token(tokens.json["refresh"])
    assert access.status == 200
    slug = f"shop-{uuid.uuid4().hex[:8]}"
    registered = client.register_application(access.json["access"], slug)
    assert (registered.status, registered.json["slug"]) == (201, slug)
    return slug, registered.json["password"]


def send(client: OriginalClient, application: tuple[str, str], users: list[str], title: str) -> Said:
    sent = client.create_notification(
        *application,
        type="mail",
        is_express=True,
        title=title,
        text="It is out today.",
        content_id=str(uuid.uuid4()),
        users=users,
        something_of_the_originals=True,
    )
    assert sent.status == 201, sent
    return sent


def wait_for_list(client: OriginalClient, user_id: str, token: str, count: int) -> Said:
    """A user's list as soon as it has so many entries that have come to an end."""

    def look() -> Said | None:
        shown = client.users_notifications(user_id, token)
        assert shown.status == 200, shown
        ended = [each for each in shown.json["results"] if each["status"] not in ("queued", "sending")]
        return shown if len(ended) == count else None

    found = wait_until(look, COLD_SECONDS, f"{count} notifications of {user_id}")
    assert found is not None
    return found


FLAGS = ("is_user_subscribed", "is_sent_to_queue", "is_correct_contacts")


def test_the_whole_round(
    vestnik: Deployment,
    smtp: ScriptedSmtp,
    service: UsersService,
    client: OriginalClient,
    administrator: str,
) -> None:
    mark = uuid.uuid4().hex[:8]
    address = f"anna-{mark}@example.com"
    anna, annas_token = person(service, "Анна", address)
    boris, boriss_token = person(service, "Boris")
    clara, claras_token = person(service, None, f"clara-{mark}@example.com")

    # Register, send: the mail arrives, and greets by the name of the users service.
    application = register(client, administrator)
    strangers = [str(uuid.uuid4()) for _ in range(9)]
    send(client, application, [anna.replace("-", ""), boris, *strangers, clara], "A new film")
    smtp.wait_for_mails(2, COLD_SECONDS)
    assert "Анна" in smtp.mail(to=address).part("plain")
    assert smtp.counts() == {address: 1, f"clara-{mark}@example.com": 1}
    pages = [each for each in service.asked if each.what == "contacts"]
    assert sorted(len(each.body["ids"]) for each in pages) == [2, 10]
    assert all("page=1&field=email" in each.path for each in pages)

    # Read.
    shown = wait_for_list(client, anna.replace("-", ""), annas_token, 1).json
    assert (shown["count"], shown["next"], shown["previous"]) == (1, None, None)
    (entry,) = shown["results"]
    assert (entry["title"], entry["text"], entry["status"]) == ("A new film", "It is out today.", "sent")
    assert tuple(entry[flag] for flag in FLAGS) == (True, True, True)
    (entry,) = wait_for_list(client, boris, boriss_token, 1).json["results"]
    assert tuple(entry[flag] for flag in FLAGS) == (True, False, False)

    # Nobody reads or changes another's.
    assert client.users_notifications(boris, annas_token).status == 403
    assert client.unsubscribe(boris, annas_token).status == 403
    assert client.users_notifications(anna, "nonsense").status == 401

    # Unsubscribe, send again: nothing comes; read again: the flags say so.
    assert client.unsubscribe(anna, annas_token).status == 201
    assert client.unsubscribe(anna, annas_token).status == 201
    send(client, application, [anna, clara], "Another film")
    smtp.wait_for_mails(3, COLD_SECONDS)
    shown = wait_for_list(client, anna, annas_token, 2).json
    assert [each["title"] for each in shown["results"]] == ["Another film", "A new film"]
    entry = shown["results"][0]
    assert (entry["status"], *(entry[flag] for flag in FLAGS)) == ("unsubscribed", False, False, True)
    assert smtp.counts() == {address: 1, f"clara-{mark}@example.com": 2}

    # And back again.
    assert client.subscribe(anna, annas_token).status == 204
    send(client, application, [anna], "A third film")
    wait_for_list(client, anna, annas_token, 3)
    assert smtp.counts()[address] == 2
    assert wait_for_list(client, clara, claras_token, 2).json["count"] == 2


def test_a_long_list_is_read_page_by_page(
    vestnik: Deployment, smtp: ScriptedSmtp, service: UsersService, client: OriginalClient, administrator: str
) -> None:
    user, token = person(service)  # without a contact: nothing is sent
    application = register(client, administrator)
    for number in range(17):
        send(client, application, [user], f"Film {number}")

    wait_until(
        lambda: client.users_notifications(user, token).json["count"] == 17, COLD_SECONDS, "17 notifications"
    )
    first = client.users_notifications(user, token).json
    second = client.follow(first["next"], token).json
    titles = [each["title"] for page in (first, second) for each in page["results"]]
    assert titles == [f"Film {number}" for number in reversed(range(17))]
    assert second["next"] is None
    assert client.follow(second["previous"], token).json == first
    assert client.users_notifications(user, token, page=3).status == 404


def test_while_the_users_service_is_down_nothing_is_lost_and_no_token_called_wrong(
    vestnik: Deployment, smtp: ScriptedSmtp, service: UsersService, client: OriginalClient, administrator: str
) -> None:
    address = f"dora-{uuid.uuid4().hex[:8]}@example.com"
    user, token = person(service, "Dora", address)
    application = register(client, administrator)
    with vestnik.without_rules():
        service.misbehave("contacts", Close())
        service.misbehave("token", Status(500))
        send(client, application, [user], "News")
        wait_until(lambda: service.count("contacts") == 1, COLD_SECONDS, "the service is asked")
        assert client.users_notifications(user, token).status == 503
        service.behave()
        (entry,) = wait_for_list(client, user, token, 1).json["results"]
        assert (entry["status"], entry["reason"]) == ("unsent", "directory unavailable")
        assert (entry["is_sent_to_queue"], entry["is_correct_contacts"]) == (False, True)
        assert smtp.counts() == {}
        assert vestnik.sweep()["requeued"] == 1  # what other tests left is none of its business
        smtp.wait_for_mails(1, COLD_SECONDS, to=address)
    (entry,) = wait_for_list(client, user, token, 1).json["results"]
    assert entry["status"] == "sent"

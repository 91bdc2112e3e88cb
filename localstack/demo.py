"""What the first `make run` puts into the empty tables, so that there is something to send and to look at."""

import http.client
import json
import os
import shlex
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from localstack.ports import LOOPBACK, LocalError

ADMINISTRATOR = "admin"
APPLICATION = "demo"
CONTACTS = 1_000
FIRST_RECIPIENTS = 250  # three hundreds, so that the throttle is seen at work
_NAMESPACE = uuid.UUID("6f1c1f0e-8a50-5d0c-9d0a-3b0d1c6f2a11")
NOTIFICATIONS = "/api/v1/notifications/"


@dataclass(frozen=True)
class Credentials:
    """The demo's passwords, which only `.local/credentials` knows after the first run."""

    administrator_password: str
    application_password: str

    @property
    def authorization(self) -> str:
        """The header by which the demo application is known."""
        return f"{APPLICATION} {self.application_password}"


def user_id(number: int) -> str:
    """The id of a demo user, the same each time, so that making the demo again changes nothing."""
    return str(uuid.uuid5(_NAMESPACE, str(number)))


def contacts() -> Iterator[dict[str, str]]:
    """The demo users' contacts."""
    for number in range(1, CONTACTS + 1):
        yield {
            "user_id": user_id(number),
            "name": f"Demo User {number}",
            "email": f"user{number:04}@example.com",
            "locale": "ru" if number % 2 else "en",
            "time_zone": "UTC",
        }


def load_credentials(path: Path) -> Credentials | None:
    """The stored passwords, if there are any to be read."""
    try:
        return Credentials(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def store_credentials(path: Path, credentials: Credentials) -> None:
    """Keep the passwords where only this user can read them."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(credentials), file, indent=2)


def are_accepted(credentials: Credentials, api_port: int) -> bool:
    """Whether the API knows the demo application: an emulator that was killed has lost it."""
    connection = http.client.HTTPConnection(LOOPBACK, api_port, timeout=30)
    try:
        headers = {"Authorization": credentials.authorization, "Content-Type": "application/json"}
        connection.request("POST", NOTIFICATIONS, b"{}", headers)
        return connection.getresponse().status not in {401, 403}
    finally:
        connection.close()


def make() -> Credentials:
    """Make the administrator, the application and the contacts; needs the functions' own environment."""
    # Not before: these modules read the environment, which names the tables only after the deployment.
    from chalicelib.services.errors import AlreadyThereError
    from infra import administrators_command, manage

    manage.import_contacts(contacts())
    try:
        return Credentials(
            administrators_command.create_administrator(ADMINISTRATOR),
            manage.register_application(APPLICATION),
        )
    except AlreadyThereError as error:
        raise LocalError(
            f"{str(error).capitalize()}, but its stored password is lost or changed: "
            "`make clean-data` begins anew."
        ) from error


def write_first_notification(path: Path) -> None:
    """The body that the printed curl command posts."""
    body = {
        "type": "mail",
        "is_express": False,
        "title": "Hello from Vestnik",
        "text": "This is the first notification. Have a look at the unsubscribe link below, too.",
        "content_id": str(uuid.uuid5(_NAMESPACE, "content")),
        "users": [user_id(number) for number in range(1, FIRST_RECIPIENTS + 1)],
    }
    path.write_text(json.dumps(body, indent=1))


def curl_line(credentials: Credentials, api_url: str, body: Path) -> str:
    """A command that sends the first notification when it is pasted into a shell."""
    words = ["curl", "-sS", f"{api_url}{NOTIFICATIONS}", "-H", f"Authorization: {credentials.authorization}"]
    return shlex.join([*words, "-H", "Content-Type: application/json", "--data", f"@{body}"])

"""Who users are: one small interface with two forms, the embedded table and an outside service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class DirectoryUnavailableError(Exception):
    """The directory cannot be asked at present: nobody knows whether there is a contact."""


class InvalidUserTokenError(Exception):
    """A user's token is not valid; says why."""


class UsersServiceUnavailableError(Exception):
    """A user's token cannot be checked at present: nobody knows whether it is valid."""


@dataclass(frozen=True)
class Person:
    """What the directory knows of a user: the address of one channel, and how to speak to them."""

    address: str | None
    name: str | None = None
    locale: str | None = None
    time_zone: str | None = None


class Directory(Protocol):
    """Finds users' contacts."""

    longest_seconds: float
    """After which `people` has ended whatever an outside service does, beside what any reading takes."""

    def people(self, user_ids: Sequence[str], contact_field: str) -> Mapping[str, Person]:
        """Those of the users who are known, by id, with the contact of that field ('email', 'chat_id')."""
        ...

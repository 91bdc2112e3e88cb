"""The embedded directory: the contacts table."""

from collections.abc import Mapping, Sequence

from chalicelib.directory import DirectoryUnavailableError, Person
from chalicelib.tables.base import DATABASE_ERRORS, batch_get
from chalicelib.tables.contacts import Contact


class TableDirectory:
    """Reads contacts a hundred at once: eventually consistent, the missing ones again consistently."""

    longest_seconds = 0.0

    def people(self, user_ids: Sequence[str], contact_field: str) -> Mapping[str, Person]:
        """See `Directory.people`."""
        try:
            found = batch_get({Contact: user_ids}, consistent=False)[Contact]
            # Who seems unknown is given up: a contact that was written just now must not be missed.
            missing = set(user_ids) - {contact.user_id for contact in found}
            found += batch_get({Contact: missing}, consistent=True)[Contact]
        except DATABASE_ERRORS as error:
            raise DirectoryUnavailableError(str(error)) from error
        return {
            contact.user_id: Person(
                address=contact.address(contact_field),
                name=contact.name,
                locale=contact.locale,
                time_zone=contact.time_zone,
            )
            for contact in found
        }

"""The suppressions of a user's own addresses: for the export, and for the erasure."""

from collections.abc import Iterable, Sequence

from chalicelib.channels import CHANNELS, CONTACT_FIELDS
from chalicelib.tables.contacts import Contact
from chalicelib.tables.suppressions import Suppression, find_suppressions, forget_address, suppression_id
from chalicelib.tables.users_notifications import UsersNotification


def suppressions_of(contact: Contact | None, rows: Sequence[UsersNotification]) -> list[Suppression]:
    """The suppressions, lifted ones too, of a contact's addresses and of where these rows were sent to."""
    kept = [contact.address(name) for name in CONTACT_FIELDS] if contact else []
    addresses = {str(each) for each in (*kept, *(row.address for row in rows)) if each}
    found = find_suppressions(_ids(addresses)) if addresses else []
    return sorted(found, key=lambda each: each.id)


def forget_addresses(contact: Contact | None, rows: Sequence[UsersNotification]) -> None:
    """Leave of those only the hashes: they go on being suppressed, and nothing tells whose they are."""
    for each in suppressions_of(contact, rows):
        if each.address is not None:
            forget_address(each)


def _ids(addresses: Iterable[str]) -> set[str]:
    """Of each address in every channel that could have sent to it: a row does not say by which it was."""
    normal = ((channel, channel.address_of(each)) for channel in CHANNELS.values() for each in addresses)
    return {suppression_id(channel.name, address) for channel, address in normal if address is not None}

"""Addressing: from what the directory knows of a user to a delivery message, or to why there is none."""

from collections.abc import Iterable, Mapping

from chalicelib.channels import CHANNELS
from chalicelib.directory import Person
from chalicelib.domain.messages import DeliveryMessage
from chalicelib.services.suppressing import suppressed
from chalicelib.tables.dispatches import Dispatch

MAX_NAME_LENGTH = 200
"""What goes into a greeting, and with ten others into one batch."""


def suppressed_of(channel_name: str, people: Iterable[Person]) -> Mapping[str, str]:
    """Of these people's addresses those that are suppressed, each with the reason."""
    channel = CHANNELS[channel_name]
    addresses = (channel.address_of(person.address) for person in people if person.address)
    return suppressed(channel_name, {each for each in addresses if each})


def delivery_to(
    person: Person | None,
    dispatch: Dispatch,
    user_id: str,
    chunk: int,
    position: int,
    suppressed: Mapping[str, str],
) -> DeliveryMessage | str:
    """The delivery message to a person, or the reason why there is no contact to send to."""
    channel = CHANNELS[dispatch.type]
    if person is None:
        return "unknown to the directory"
    if not person.address:
        return f"no {channel.contact_field}"
    address = channel.address_of(person.address)
    if address is None:
        return f"not a valid {channel.contact_field}"
    if address in suppressed:
        return f"suppressed: {suppressed[address]}"
    name = (person.name or "")[:MAX_NAME_LENGTH].strip() or None
    return DeliveryMessage(
        dispatch.id,
        user_id,
        chunk,
        position,
        address,
        name,
        person.locale,
        dispatch.frequency,
        dispatch.notification_id,
        person.time_zone,
    )

"""/api/v1/suppressions: addresses that nothing is sent to, and how they are sent to again."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.api.endpoints import Resource
from chalicelib.api.lists import ListQuery
from chalicelib.channels import CHANNELS
from chalicelib.domain.times import utc_now
from chalicelib.services import suppression_list
from chalicelib.services.rights import Access, Principal
from chalicelib.tables.suppressions import Suppression

resource = Resource("suppressions")

_EXAMPLE_ID = "5f1d3c2b7a9e4d6c8b0a1f2e3d4c5b6a"
SuppressionId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$", max_length=32)]
"""A hash, so that no address stands in a URL's path."""


class SuppressionsQuery(ListQuery):
    """Which page of what."""

    channel: str | None = Field(
        default=None,
        max_length=20,
        pattern=f"^({'|'.join(CHANNELS)})$",
        description="Only this channel's; a page may then be short, or empty, and have a next",
        examples=["mail"],
    )
    address: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Only of this very address, in its normal form or as a contact has it",
        examples=["anna@example.com"],
    )


class SuppressionOut(BaseModel):
    """An address that nothing is sent to any more, or was lifted."""

    id: str = Field(description="A hash of channel and address", examples=[_EXAMPLE_ID])
    channel: str = Field(examples=["mail"])
    address: str | None = Field(description="Null when its user was erased: the hash still suppresses it")
    reason: str = Field(examples=["bounced: 550 5.1.1 user unknown"])
    is_suppressed: bool = Field(description="false: lifted, and not suppressed again since", examples=[True])
    suppressed_at: str = Field(description="When that happened for which it is suppressed")
    lifted_at: str | None = Field(examples=[None])
    lifted_by: str | None = Field(examples=[None])


class SuppressionsOut(BaseModel):
    """Some of what is suppressed, the last first."""

    results: list[SuppressionOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


@resource.get("/api/v1/suppressions", access=Access.MANAGE)
def list_suppressions(query: SuppressionsQuery) -> SuppressionsOut:
    """The addresses that nothing is sent to, the last suppressed first.

    The provider refused them for good, or their owner complained. What was lifted is not among them.
    """
    page = suppression_list.list_suppressions(query.cursor, query.limit, query.channel, query.address)
    results = [suppression_out(each) for each in page.suppressions]
    return SuppressionsOut(results=results, next=page.next_cursor)


@resource.get("/api/v1/suppressions/{suppression_id}", access=Access.MANAGE)
def read_suppression(suppression_id: SuppressionId) -> SuppressionOut:
    """One suppression, also when it was lifted."""
    return suppression_out(suppression_list.find_suppression(suppression_id))


@resource.delete("/api/v1/suppressions/{suppression_id}", access=Access.ADMINISTRATOR)
def lift_suppression(principal: Principal, suppression_id: SuppressionId) -> None:
    """Lift a suppression: the address is sent to again, from the next dispatch on.

    Done again it does nothing. Whoever complained may be angrier then, and a wrong address be refused again:
    lift what was mended.
    """
    suppression_list.lift_suppression(suppression_id, principal.author, utc_now())


def suppression_out(row: Suppression) -> SuppressionOut:
    """A suppression as it is shown."""
    return SuppressionOut(
        id=row.id,
        channel=str(row.channel),
        address=row.address,
        reason=str(row.reason),
        is_suppressed=row.is_suppressed,
        suppressed_at=str(row.suppressed_at),
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
    )

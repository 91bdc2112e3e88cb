"""/api/v1/contacts: the embedded user directory."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from chalicelib.api.endpoints import Resource, Upload
from chalicelib.api.fields import INT64, as_text
from chalicelib.channels import CONTACT_FIELDS
from chalicelib.channels.base import ContactField
from chalicelib.services import contact_lines, contacts
from chalicelib.services.rights import Access
from chalicelib.settings import LOCALES
from chalicelib.tables.contacts import Contact

resource = Resource("contacts")

Name = Annotated[
    str,
    Field(
        max_length=contacts.MAX_NAME_LENGTH,
        description="For the greeting; without control characters",
        examples=["Anna"],
    ),
]
Locale = Annotated[
    str, Field(max_length=2, description="The language", json_schema_extra={"enum": [*LOCALES]})
]
TimeZone = Annotated[str, Field(max_length=64, description="An IANA name", examples=["Europe/Moscow"])]


def _address(field: ContactField) -> Any:
    """The type of a channel's address: what the channel itself says of it is checked by the service."""
    if not field.is_number:
        return Annotated[
            str, Field(max_length=field.max_length, description=field.description, examples=[field.example])
        ]
    return Annotated[
        str,
        BeforeValidator(as_text),
        Field(
            max_length=field.max_length,
            pattern="^-?[0-9]{1,19}$",
            description=field.description,
            examples=[field.example],
            json_schema_extra={"type": ["string", "integer"], "minimum": -INT64, "maximum": INT64 - 1},
        ),
    ]


_IN: dict[str, Any] = {
    "name": Name,
    **{field.name: _address(field) for field in CONTACT_FIELDS.values()},
    "locale": Locale,
    "time_zone": TimeZone,
}

if TYPE_CHECKING:
    ContactIn = BaseModel
    ContactOut = BaseModel
else:
    # The channels say which addresses a contact may have.
    ContactIn = create_model(
        "ContactIn",
        __doc__="A contact as a whole: what is not given is not kept. "
        "Unknown fields are refused, lest one get lost.",
        __config__=ConfigDict(extra="forbid"),
        **{name: (kind | None, None) for name, kind in _IN.items()},
    )
    ContactOut = create_model(
        "ContactOut",
        __doc__="A contact as it is kept.",
        user_id=(UUID, ...),
        **dict.fromkeys(_IN, (str | None, ...)),
    )


class RejectedLine(BaseModel):
    """Why a line was not imported."""

    line: int = Field(ge=1, description="Its number in the body, counted from 1")
    field: str = Field(examples=["email"])
    reason: str = Field(examples=["is not a mail address"])


class ImportReport(BaseModel):
    """What became of the lines: each is imported or rejected."""

    lines: int = Field(description="Without the header, and without empty lines")
    imported: int
    rejected: int
    errors: list[RejectedLine] = Field(description=f"The first {contact_lines.MAX_ERRORS}")


@resource.put("/api/v1/contacts/{user_id}", access=Access.MANAGE, refuses=(409,))
def put_contact(user_id: UUID, body: ContactIn) -> ContactOut:
    """Put a user's contact, in the place of what was there.

    409 for an erased user who has not subscribed again, and where an outside service keeps the contacts.
    """
    return contact_out(contacts.put_contact({"user_id": user_id, **body.model_dump()}))


@resource.get("/api/v1/contacts/{user_id}", access=Access.MANAGE)
def read_contact(user_id: UUID) -> ContactOut:
    """A user's contact."""
    return contact_out(contacts.read_contact(str(user_id)))


@resource.delete("/api/v1/contacts/{user_id}", access=Access.MANAGE)
def delete_contact(user_id: UUID) -> None:
    """Delete a user's contact; also when there is none."""
    contacts.delete_contact(str(user_id))


@resource.post(
    "/api/v1/contacts/import",
    access=Access.MANAGE,
    takes=(contact_lines.CSV, contact_lines.JSON_LINES),
    refuses=(409,),
)
def import_contacts(upload: Upload) -> ImportReport:
    """Import contacts, as CSV with a header line or as JSON lines.

    The fields are those of a contact and `user_id`. Valid lines are put, the last one of a user wins; the
    others are named in the report. At most 50,000 lines. To import the same once more does no harm.
    """
    report = contact_lines.import_request(upload.data, upload.content_type)
    return ImportReport(
        lines=report.lines,
        imported=report.imported,
        rejected=report.rejected,
        errors=[RejectedLine(line=each.line, field=each.field, reason=each.reason) for each in report.errors],
    )


def contact_out(contact: Contact) -> ContactOut:
    """A contact as the API shows it."""
    return ContactOut.model_validate(contacts.shown(contact))

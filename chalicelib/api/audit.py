"""/api/v1/audit: who changed what, when, and from what to what."""

from typing import Any

from pydantic import BaseModel, Field

from chalicelib.api.endpoints import Resource
from chalicelib.api.lists import ListQuery, Month
from chalicelib.domain.times import utc_now
from chalicelib.services import audit
from chalicelib.services.audit import Via
from chalicelib.services.rights import Access
from chalicelib.tables.audit import AuditEntry

resource = Resource("audit")


class AuditQuery(ListQuery):
    """Which changes, and which page of them. A filter may leave a page short, or empty, with a next."""

    who: str | None = Field(
        default=None, max_length=100, description="Only this one's", examples=["administrator:anna"]
    )
    via: Via | None = Field(default=None, description="Only by this")
    kind: str | None = Field(
        default=None, max_length=50, description="Only of this kind of thing", examples=["application"]
    )
    about: str | None = Field(
        default=None, max_length=200, description="Only of the thing with this id or name", examples=["shop"]
    )
    month: Month | None = Field(
        default=None, description="Only of this month, as 2026-11", examples=["2026-11"]
    )

    @property
    def filters(self) -> audit.Filters:
        """What is listed."""
        return audit.Filters(self.who, self.kind, self.about, self.via, self.month)


class AuditEntryOut(BaseModel):
    """A change. `before` and `after` have what is different; of a contact only the names of its fields."""

    id: str = Field(examples=["01a208c5-dc43-7568-b6ca-e5733239ec8b"])
    at: str
    who: str = Field(
        description="application:…, user:…, or operator:… by a command", examples=["administrator:anna"]
    )
    via: Via
    action: str = Field(examples=["changed"])
    kind: str = Field(examples=["application"])
    about: str = Field(description="Its id or name; `many` where one request changed many", examples=["shop"])
    before: dict[str, Any] | None = Field(examples=[{"is_active": True}])
    after: dict[str, Any] | None = Field(examples=[{"is_active": False}])
    request_id: str | None = Field(
        description="Under which it is logged; null by a command",
        examples=["7d1c9c8e-2f6b-4a53-8f0e-9a1f7c2f5b11"],
    )


class AuditOut(BaseModel):
    """Some changes, newest first."""

    results: list[AuditEntryOut]
    next: str | None = Field(description="The cursor of the next page, or null at the end")


@resource.get("/api/v1/audit", access=Access.ADMINISTRATOR)
def list_audit(query: AuditQuery) -> AuditOut:
    """Every change that was made by the panel, the API or a command, newest first, as long as it is kept."""
    page = audit.list_entries(query.filters, query.cursor, query.limit, utc_now())
    return AuditOut(results=[entry_out(each) for each in page.entries], next=page.next_cursor)


def entry_out(entry: AuditEntry) -> AuditEntryOut:
    """A change as it is shown."""
    return AuditEntryOut(
        id=entry.id,
        at=audit.at(entry),
        who=entry.who,
        via=Via(entry.via),
        action=entry.action,
        kind=entry.kind,
        about=entry.about,
        before=entry.before,
        after=entry.after,
        request_id=entry.request_id,
    )

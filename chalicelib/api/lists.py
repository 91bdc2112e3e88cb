"""What every list has."""

from pydantic import BaseModel, Field

from chalicelib.services.cursors import MAX_CURSOR_LENGTH


class ListQuery(BaseModel):
    """Which page."""

    limit: int = Field(default=50, ge=1, le=100, description="How many at most")
    cursor: str | None = Field(
        default=None, max_length=MAX_CURSOR_LENGTH, description="`next` of the page before"
    )

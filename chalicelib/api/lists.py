"""What every list has."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from chalicelib.services.cursors import MAX_CURSOR_LENGTH

Month = Annotated[str, StringConstraints(pattern=r"^2\d{3}-(0[1-9]|1[0-2])$")]


class ListQuery(BaseModel):
    """Which page."""

    limit: int = Field(default=50, ge=1, le=100, description="How many at most")
    cursor: str | None = Field(
        default=None, max_length=MAX_CURSOR_LENGTH, description="`next` of the page before"
    )

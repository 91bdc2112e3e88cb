"""/api/v1/health and /api/schema: whether it lives, and what it can do."""

from typing import Literal

from pydantic import BaseModel

from chalicelib.api.endpoints import Resource
from chalicelib.services.rights import Access

resource = Resource("system")


class Health(BaseModel):
    """The API answers."""

    status: Literal["ok"] = "ok"


@resource.get("/api/v1/health", access=Access.ANYONE)
def read_health() -> Health:
    """Whether the API answers. It asks no table and no queue."""
    return Health()

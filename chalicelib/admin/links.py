"""Links: relative to the page's own address, so that the panel works behind any stage and any domain."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

PANEL = "admin"
HOME = f"{PANEL}/notifications"
_OURS = re.compile(rf"{PANEL}(/[A-Za-z0-9_.~@%-]+)*/?(\?[A-Za-z0-9_.~%=&+*:-]*)?")
_UP = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)


def root_from(resource_path: str, asked_path: str) -> str:
    """The way from a page to where the API begins: `../../`.

    Args:
        resource_path: The route, as API Gateway has it: `/admin/notifications/{notification_id}`.
        asked_path: What was asked for, whatever stands before the route: only its last slash matters, which
            the browser counts as a further level.
    """
    levels = resource_path.strip("/").count("/") + (1 if asked_path.endswith("/") else 0)
    return "../" * levels or "./"


def root_of_part(resource_path: str, asked_path: str, page: str) -> str | None:
    """The same for a part of a page, from the page around it; None where that is no page of ours.

    Args:
        page: The address of the page, as the browser has it. What stands before the panel in it may be more
            than what we see of it, but not another `admin`.
    """
    segments = urlsplit(page).path.split("/")
    place = _place_of_panel(resource_path, asked_path, segments)
    return None if place is None else "../" * (len(segments) - 1 - place) or "./"


def page_around(resource_path: str, asked_path: str, page: str) -> str | None:
    """The page around a part as `safe_next` takes it; None where that is no page of ours."""
    found = urlsplit(page)
    segments = found.path.split("/")
    place = _place_of_panel(resource_path, asked_path, segments)
    if place is None:
        return None
    return "/".join(segments[place:]) + (f"?{found.query}" if found.query else "")


def _place_of_panel(resource_path: str, asked_path: str, segments: list[str]) -> int | None:
    levels = resource_path.strip("/").count("/") + 1
    before = asked_path.rstrip("/").split("/")[:-levels].count(PANEL)
    places = [place for place, segment in enumerate(segments) if segment == PANEL]
    return places[before] if len(places) > before else None


def link(root: str, /, *parts: str, **query: str | int | None) -> str:
    """The address of a page of the panel; what is None is no part of its query."""
    asked = urlencode({name.rstrip("_"): value for name, value in query.items() if value is not None})
    path = "/".join(quote(part, safe="") for part in (PANEL, *parts))
    return f"{root}{path}" + (f"?{asked}" if asked else "")


def safe_next(wanted: str | None) -> str:
    """Where to go on after a log-in: a page of the panel, as `admin/…`; anything else is its first page."""
    if not wanted or not _OURS.fullmatch(wanted) or _UP.search(wanted.partition("?")[0]):
        return HOME
    return wanted


def here(path: str, query: Mapping[str, str]) -> str:
    """This page as `safe_next` takes it."""
    asked = urlencode(query)
    return path.strip("/") + (f"?{asked}" if asked else "")

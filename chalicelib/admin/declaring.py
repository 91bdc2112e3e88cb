"""Pages and actions of the panel: declared beside what they do, as the API's endpoints are.

    @section.page("/notifications/{notification_id}", access=Access.READ)
    def show(visit: Visit, notification_id: UUID) -> Shown: ...

    @section.action("/notifications/{notification_id}/cancel", access=Access.SEND, again=show)
    def cancel(visit: Visit, notification_id: UUID) -> Shown: ...

A page is asked for by GET and changes nothing; an action by POST, with the session's own token. What an
action's service refuses is shown by the page `again`, which then finds what was typed in `visit.form` and
what is wrong in `visit.errors`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from chalice.app import Response

from chalicelib.services.rights import Access

Handler = Callable[..., Response]


@dataclass(frozen=True)
class View:
    """One page or action. `path` is below the panel's own."""

    method: str
    path: str
    handler: Handler
    access: Access
    again: Handler | None
    takes_text: bool
    is_open: bool
    is_harmless: bool

    @property
    def name(self) -> str:
        part = self.handler.__module__.rpartition(".")[2]
        return f"panel_{self.method.lower()}_{part}_{self.handler.__name__}"

    @property
    def path_parameters(self) -> dict[str, Any]:
        hints = get_type_hints(self.handler)
        return {name: hint for name, hint in hints.items() if f"{{{name}}}" in self.path}


class Section:
    """The pages and actions of a part of the panel. `name` is its place in the menu."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.views: list[View] = []

    def page_of(self, view: View) -> str | None:
        """The path of the page that a view is, or that an action shows again; None if there is none."""
        handler = view.again or view.handler
        return next(
            (each.path for each in self.views if (each.method, each.handler) == ("GET", handler)), None
        )

    def page(self, path: str, *, access: Access, is_open: bool = False) -> Callable[[Handler], Handler]:
        """Declare a page. An open one needs no log-in."""
        return self._declare(lambda handler: View("GET", path, handler, access, None, False, is_open, False))

    def action(
        self,
        path: str,
        *,
        access: Access,
        again: Handler | None = None,
        takes_text: bool = False,
        is_open: bool = False,
        is_harmless: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare an action, which takes a form; with `takes_text` a file's text, as a script sends it.

        A harmless one is done by a form whose session has ended, too.
        """
        return self._declare(
            lambda handler: View("POST", path, handler, access, again, takes_text, is_open, is_harmless)
        )

    def _declare(self, view_of: Callable[[Handler], View]) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.views.append(view_of(handler))
            return handler

        return register

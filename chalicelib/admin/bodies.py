"""What may come with a request: a form or a text, not too long, from a page of the visitor's own session."""

import hmac
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

from chalice.app import Request

from chalicelib import settings
from chalicelib.admin.declaring import View
from chalicelib.admin.forms import Form
from chalicelib.admin.visits import Visit
from chalicelib.api.endpoints import MAX_BODY_BYTES

FORM = "application/x-www-form-urlencoded"
TEXTS = ("text/csv", "text/plain")
MAX_LOGIN_BYTES = 4_096
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


class NotTakenError(Exception):
    """What came with a request is not taken: with which status, and why, in the visitor's language."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def read_body(view: View, visit: Visit, request: Request) -> None:
    """Have what came with a request in the visit; NotTakenError says why not."""
    data = cast(bytes, request.raw_body)
    limit = MAX_BODY_BYTES if visit.session is not None else MAX_LOGIN_BYTES
    if len(data) > limit:
        raise NotTakenError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, visit.say("That is too much for one request.")
        )
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in (TEXTS if view.takes_text else (FORM,)):
        raise NotTakenError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, visit.say("This is not a form of this panel."))
    if view.takes_text:
        visit.text = data
    else:
        try:
            visit.form = Form.read(data)
        except ValueError as error:
            said = visit.say("The form cannot be read.")
            raise NotTakenError(HTTPStatus.BAD_REQUEST, said) from error
    _check_csrf(view, visit, request)


def _check_csrf(view: View, visit: Visit, request: Request) -> None:
    """Only a form of the visitor's own session counts, and none that another site has sent."""
    site = request.headers.get("sec-fetch-site") or _site_of_origin(request)
    sent = request.headers.get(CSRF_HEADER) or visit.form.text(CSRF_FIELD)
    is_token_right = bool(visit.csrf) and hmac.compare_digest(sent.encode(), visit.csrf.encode())
    is_enough = is_token_right or (view.is_harmless and visit.session is None)
    if site != "same-origin" or not is_enough:
        said = visit.say("This form was not sent from a page of your session. Please load the page again.")
        raise NotTakenError(HTTPStatus.FORBIDDEN, said)


def _site_of_origin(request: Request) -> str:
    """The same where there is no Sec-Fetch-Site, by the origin that browsers send with a POST."""
    origin = request.headers.get("origin")
    ours = {request.headers.get("host"), urlsplit(settings.current().public_url).netloc}
    return "same-origin" if origin is None or urlsplit(origin).netloc in ours - {None, ""} else "cross-site"

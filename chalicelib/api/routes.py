"""Puts the API's resources, and their documents, on the Chalice app."""

from chalice.app import Chalice

from chalicelib.api.cors import register_preflights
from chalicelib.api.documents import register_documents
from chalicelib.api.requests import register
from chalicelib.api.resources import ENDPOINTS


def register_routes(app: Chalice) -> None:
    """Put every resource of the HTTP API on the app."""
    for endpoint in ENDPOINTS:
        register(app, endpoint)
    register_preflights(app, ENDPOINTS)
    register_documents(app, ENDPOINTS)

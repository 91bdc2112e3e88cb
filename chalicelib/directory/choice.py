"""Which user directory a deployment is set to."""

from chalicelib import settings
from chalicelib.directory import Directory
from chalicelib.directory.table import TableDirectory


def directory() -> Directory:
    """The user directory that this deployment is set to."""
    if settings.current().directory == "http":
        from chalicelib.directory.http import HttpDirectory

        return HttpDirectory()
    return TableDirectory()

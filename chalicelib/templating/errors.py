"""What can be wrong with a template, or with what it is filled in with."""


class UnknownTemplateError(Exception):
    """There is no template of this name, or no such version of it; says which there are."""


class BadTemplateError(Exception):
    """A template's files are not as they have to be; says which and why."""


class BadVariableError(Exception):
    """A value that a template cannot be filled in with."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


class RenderingError(Exception):
    """A template broke while it was filled in, for which its checks are there; says how."""


TEMPLATE_ERRORS = (UnknownTemplateError, BadTemplateError, RenderingError)
"""A template is not what it was when a notification was accepted."""

"""Mail, sent by SMTP or by Amazon SES."""

import os
from contextlib import AbstractContextManager

from chalicelib.channels.base import Channel, ContactField, Letter, Limits, Session
from chalicelib.channels.sandbox import DOMAIN
from chalicelib.settings import current


class MailChannel(Channel):
    """Sends a notification as a mail."""

    name = "mail"
    contact = ContactField(
        name="email",
        must="is not a mail address",
        description="A mail address",
        example="anna@example.com",
        max_length=254,
    )
    # RFC 5322 allows a line of 998 characters; longer titles help nobody.
    limits = Limits(title=200, text=50_000)

    def address_of(self, contact: str | None) -> str | None:
        """The mail address in its normal form, or None when it is none (its syntax; nobody is asked)."""
        from email_validator import EmailNotValidError, validate_email

        if "=?" in (contact or ""):
            return None  # the library that writes headers would take it for an encoded word
        try:
            # The ASCII form: names in other scripts become punycode; few servers take other local parts.
            return validate_email(
                (contact or "").strip(), check_deliverability=False, allow_smtputf8=False
            ).ascii_email
        except EmailNotValidError:
            return None

    def preview(self, letter: Letter) -> str:
        """The mail's HTML."""
        from chalicelib.channels.mail_message import render

        return render("html", letter)

    def sandbox(self, address: str) -> str | None:
        """`NAME@sandbox.vestnik.example`; a `+tag` behind the name makes a fresh address."""
        local, _, domain = address.rpartition("@")
        return local.partition("+")[0].lower() if domain == DOMAIN else None

    def prepare(self) -> None:
        """Load the way by which mail is sent here, and not the other."""
        if os.environ.get("MAIL_BY") == "ses":
            from chalicelib.channels import ses

            ses.client(self.longest_send_seconds())
        else:
            import chalicelib.channels.smtp  # noqa: F401

    def longest_send_seconds(self) -> float:
        """The settings' limit, by either way: over names, connection, TLS and every answer."""
        return current().smtp_timeout_seconds

    def session(self) -> AbstractContextManager[Session]:
        """A session that connects at its first send."""
        # Only deliver sends: the others know the channel without its libraries.
        settings = current()
        if settings.channels.mail_by == "ses":
            from chalicelib.channels.ses import ses_session

            return ses_session(settings)
        from chalicelib.channels.smtp import smtp_session

        return smtp_session(settings)

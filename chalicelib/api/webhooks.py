"""/api/v1/webhook_secret: by what a webhook's receiver checks signatures."""

from pydantic import BaseModel, Field

from chalicelib.api.endpoints import Resource
from chalicelib.channels.webhook import MAX_URL_LENGTH
from chalicelib.services.rights import Access
from chalicelib.services.webhook_secrets import secret_of

resource = Resource("webhooks")


class WebhookQuery(BaseModel):
    """Which receiver."""

    url: str = Field(
        max_length=MAX_URL_LENGTH,
        description="Where it is posted to, as in the contact's `webhook_url`",
        examples=["https://example.com/hooks/vestnik"],
    )


class WebhookSecretOut(BaseModel):
    """The secret of a receiver."""

    url: str = Field(
        description="In its normal form, to which the secret belongs",
        examples=["https://example.com/hooks/vestnik"],
    )
    secret: str = Field(
        description="For any library for Standard Webhooks",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


@resource.get("/api/v1/webhook_secret", access=Access.ADMINISTRATOR)
def read_webhook_secret(query: WebhookQuery) -> WebhookSecretOut:
    """The secret by which the receiver at a URL checks the signatures of what is posted there.

    It is derived from the deployment's key: after `rotate-key link` it is another, and both are good.
    """
    found = secret_of(query.url)
    return WebhookSecretOut(url=found.url, secret=found.secret)

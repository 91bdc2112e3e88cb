"""The settings, each named once; read from the environment and checked at start.

The template's parameters (infra/template/parameters.yaml) set them; docs/operations.md explains them.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import getaddresses
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.domain.fanning import CHUNK_SIZE
from chalicelib.domain.lanes import Lane

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

LOCALES = ("en", "ru")
SMTP_SECURITIES = ("none", "starttls", "tls")
MAIL_WAYS = ("smtp", "ses")
DIRECTORIES = ("table", "http")
USER_AUTHS = ("key", "host", "jwks")

OUTSIDE_SECONDS = 15
"""How long a function waits for contacts, or for a user's token to be checked, with all tries."""
PAGES_AT_ONCE = 4
PAUSE_SECONDS = 1
"""The longest pause between two tries."""
MOST_A_SECOND = 500
"""A rate is held by one item, which each batch writes: more than this it could not keep up with."""


PANEL = ("PANEL_IDLE_MINUTES", "PANEL_SESSION_HOURS", "AUDIT_DAYS", "CONSUMERS")
"""What only one function is told: it is told all of it."""

NOT_SHOWN = (
    "PUBLIC_URL",
    "GET_USERS_INFO_HOST",
    "GET_USER_INFO_HOST",
    "AUTH_HOST",
    "AUTH_JWKS_URL",
    "TELEGRAM_API_URL",
)
"""Addresses may hold a password or a key: of one that is wrong only the name is said."""


class SettingsError(ValueError):
    """The environment does not hold a usable set of settings; says every reason at once."""


@dataclass(frozen=True)
class QueueUrls:
    """Where a lane's queues are."""

    fan_out: str
    delivery: str


@dataclass(frozen=True)
class UsersService:
    """The outside users service: where contacts and names are asked for, and how patiently."""

    contacts_url: str
    name_url: str
    page_size: int
    tries: int
    timeout_seconds: int


@dataclass(frozen=True)
class UserAuth:
    """How users' tokens are checked: by the users service, by a key, or by published keys."""

    way: str
    host: str
    jwks_url: str
    key_secret: str


@dataclass(frozen=True)
class Channels:
    """What the channels are told: by which way mail goes, where Telegram is, how quick each may be."""

    mail_by: str
    ses_configuration_set: str
    telegram_api_url: str
    webhook_networks: "tuple[IPv4Network | IPv6Network, ...]"
    """Networks that are not public and may be posted to all the same."""
    rates: Mapping[str, float]
    """Messages a second, by channel; 0: as many as come. What is not named has the channel's own rate."""
    express_share_percent: int
    secret: str
    """Of all channels but mail by SMTP: an object for each."""


@dataclass(frozen=True)
class Consumers:
    """How many consumers each queue of a lane may have, and the bounds of that number."""

    number: int
    minimum: int
    maximum: int
    reserved: int
    """What each of its functions has for itself of the account's concurrency; 0: nothing."""


@dataclass(frozen=True)
class Panel:
    """What only the API's function is told: of the admin panel, and of what is remembered of changes."""

    idle_minutes: int
    session_hours: int
    audit_days: int
    consumers: Mapping[Lane, Consumers]


@dataclass(frozen=True)
class Settings:
    """Everything a deployment can choose."""

    public_url: str
    throttle_step_seconds: int
    default_locale: str
    unsent_expires_hours: int
    unsent_per_minute: int
    retention_days: int
    smtp_host: str
    smtp_port: int
    smtp_security: str
    smtp_timeout_seconds: int
    mail_from: str
    token_secret: str
    link_secret: str
    smtp_secret: str
    access_token_minutes: int
    refresh_token_days: int
    login_attempts_per_login: int
    login_attempts_per_source: int
    rate_limit_per_minute: int
    cors_origins: tuple[str, ...]
    channels: Channels
    directory: str
    users_service: UsersService
    user_auth: UserAuth
    express_queues: QueueUrls
    regular_queues: QueueUrls
    panel: Panel | None

    def queues(self, lane: Lane) -> QueueUrls:
        return self.express_queues if lane is Lane.EXPRESS else self.regular_queues


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}")
        return number

    return parse


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def _consumers(text: str) -> dict[Lane, Consumers]:
    numbers = [int(each) for each in text.split() if each.isdecimal()]
    if len(numbers) != len(text.split()) or len(numbers) != 7:
        raise ValueError("must be a number and its bounds, of express and of regular, and express's reserve")
    return {
        Lane.EXPRESS: Consumers(numbers[0], numbers[1], numbers[2], reserved=numbers[6]),
        Lane.REGULAR: Consumers(numbers[3], numbers[4], numbers[5], reserved=0),
    }


def _mailbox(text: str) -> str:
    mailboxes = getaddresses([text])
    if len(mailboxes) != 1 or not re.fullmatch(r"[^@\s]+@[A-Za-z0-9.-]+", mailboxes[0][1]):
        raise ValueError("must be one mailbox, as: Vestnik <noreply@example.org>")
    return text


def _address_of_the_api(text: str) -> str:
    # Empty until the first deployment has ended: the API's own address is not known before.
    if text and not (text.isascii() and re.fullmatch(r"https?://\S+", text)):
        raise ValueError("must be an http or https URL in ASCII")
    return text.rstrip("/")


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(text.replace(",", " ").split())
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?", origin):
            raise ValueError("must be *, or origins as https://shop.example, parted by commas")
    return origins


def _networks(text: str) -> "tuple[IPv4Network | IPv6Network, ...]":
    if not text:
        return ()
    from ipaddress import ip_network

    return tuple(ip_network(each) for each in text.replace(",", " ").split())


def _rates(text: str) -> dict[str, float]:
    rates = {}
    for each in text.replace(",", " ").split():
        if not (found := re.fullmatch(r"([a-z]+)=([0-9]{1,5}(?:\.[0-9]{1,3})?)", each)):
            raise ValueError("must be as: telegram=25, mail=14")
        rates[found[1]] = float(found[2])
        if rates[found[1]] > MOST_A_SECOND:
            raise ValueError(f"at most {MOST_A_SECOND} a second")
    return rates


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # its message would show the address
        return None


def _outside_url(*placeholders: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text:
            return text
        if not (text.isascii() and re.fullmatch(r"https?://[^\s\\]+", text) and _host(text)):
            raise ValueError("must be an http or https URL in ASCII, or empty")
        if "@" in urlsplit(text).netloc:
            raise ValueError("must be without a user and a password: it stands in the template")
        if missing := [each for each in placeholders if each not in text]:
            raise ValueError(f"must contain {' and '.join(missing)}")
        return text

    return parse


def _present(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def load(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment; SettingsError names every one that is missing or wrong."""
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], Any] = _present) -> Any:
        try:
            return parse(environ[name])
        except KeyError:
            problems.append(f"{name} is not set")
        except ValueError as error:
            shown = name if name in NOT_SHOWN else f"{name}={environ[name]!r}"
            problems.append(f"{shown}: {error}")
        return None

    settings = Settings(
        public_url=read("PUBLIC_URL", _address_of_the_api),
        throttle_step_seconds=read("THROTTLE_STEP_SECONDS", _whole(0, 3600)),
        default_locale=read("DEFAULT_LOCALE", _one_of(LOCALES)),
        unsent_expires_hours=read("UNSENT_EXPIRES_HOURS", _whole(1, 336)),
        unsent_per_minute=read("UNSENT_PER_MINUTE", _whole(100, 100_000)),
        retention_days=read("RETENTION_DAYS", _whole(30, 3650)),
        smtp_host=read("SMTP_HOST"),
        smtp_port=read("SMTP_PORT", _whole(1, 65_535)),
        smtp_security=read("SMTP_SECURITY", _one_of(SMTP_SECURITIES)),
        # Ten seconds at most: deliver_express runs for twenty and starts no send that may not fit.
        smtp_timeout_seconds=read("SMTP_TIMEOUT_SECONDS", _whole(1, 10)),
        mail_from=read("MAIL_FROM", _mailbox),
        token_secret=read("TOKEN_SECRET_ARN"),
        link_secret=read("LINK_SECRET_ARN"),
        smtp_secret=read("SMTP_SECRET_ARN"),
        access_token_minutes=read("ACCESS_TOKEN_MINUTES", _whole(1, 1440)),
        refresh_token_days=read("REFRESH_TOKEN_DAYS", _whole(1, 90)),
        login_attempts_per_login=read("LOGIN_ATTEMPTS_PER_LOGIN", _whole(1, 1000)),
        login_attempts_per_source=read("LOGIN_ATTEMPTS_PER_SOURCE", _whole(1, 100_000)),
        rate_limit_per_minute=read("RATE_LIMIT_PER_MINUTE", _whole(0, 1_000_000)),
        cors_origins=read("CORS_ORIGINS", _origins),
        channels=Channels(
            mail_by=read("MAIL_BY", _one_of(MAIL_WAYS)),
            ses_configuration_set=read("SES_CONFIGURATION_SET"),
            telegram_api_url=read("TELEGRAM_API_URL", _outside_url()),
            webhook_networks=read("WEBHOOK_NETWORKS", _networks),
            rates=read("CHANNEL_RATES", _rates),
            express_share_percent=read("EXPRESS_SHARE_PERCENT", _whole(1, 99)),
            secret=read("CHANNELS_SECRET_ARN"),
        ),
        directory=read("DIRECTORY", _one_of(DIRECTORIES)),
        users_service=UsersService(
            contacts_url=read("GET_USERS_INFO_HOST", _outside_url("{page}", "{field}")),
            name_url=read("GET_USER_INFO_HOST", _outside_url("{user_id}")),
            page_size=read("PAGE_SIZE_FOR_NUMBERS_INFO_HOST", _whole(1, 1000)),
            tries=read("NUMBER_OF_TRIES_TO_GET_USERS", _whole(1, 10)),
            timeout_seconds=read("USERS_SERVICE_TIMEOUT_SECONDS", _whole(1, 10)),
        ),
        user_auth=UserAuth(
            way=read("USER_AUTH", _one_of(USER_AUTHS)),
            host=read("AUTH_HOST", _outside_url()),
            jwks_url=read("AUTH_JWKS_URL", _outside_url()),
            key_secret=read("USER_TOKEN_SECRET_ARN"),
        ),
        express_queues=QueueUrls(read("FAN_OUT_EXPRESS_QUEUE_URL"), read("DELIVERY_EXPRESS_QUEUE_URL")),
        regular_queues=QueueUrls(read("FAN_OUT_REGULAR_QUEUE_URL"), read("DELIVERY_REGULAR_QUEUE_URL")),
        panel=Panel(
            idle_minutes=read("PANEL_IDLE_MINUTES", _whole(5, 1440)),
            session_hours=read("PANEL_SESSION_HOURS", _whole(1, 168)),
            audit_days=read("AUDIT_DAYS", _whole(30, 3650)),
            consumers=read("CONSUMERS", _consumers),
        )
        if any(name in environ for name in PANEL)
        else None,
    )
    if problems or (problems := list(_conflicts(settings))):
        raise SettingsError("; ".join(problems))
    return settings


def _conflicts(settings: Settings) -> Iterator[str]:
    """What does not go together, though each of it may be."""
    service, auth = settings.users_service, settings.user_auth
    if settings.directory == "http" and not service.contacts_url:
        yield "DIRECTORY='http' needs GET_USERS_INFO_HOST"
    if auth.way == "host" and not auth.host:
        yield "USER_AUTH='host' needs AUTH_HOST"
    if auth.way == "jwks" and not auth.jwks_url:
        yield "USER_AUTH='jwks' needs AUTH_JWKS_URL"
    if settings.directory == "http" or auth.way != "key":
        pages = math.ceil(CHUNK_SIZE / service.page_size) if settings.directory == "http" else 1
        rounds = math.ceil(pages / PAGES_AT_ONCE)
        longest = rounds * service.tries * (service.timeout_seconds + PAUSE_SECONDS)
        if longest > OUTSIDE_SECONDS:
            yield (
                f"the users service may take {longest} s, and a function has {OUTSIDE_SECONDS} s for it: "
                f"{pages} page(s) of PAGE_SIZE_FOR_NUMBERS_INFO_HOST={service.page_size}, "
                f"{PAGES_AT_ONCE} at once, NUMBER_OF_TRIES_TO_GET_USERS={service.tries}, each "
                f"USERS_SERVICE_TIMEOUT_SECONDS={service.timeout_seconds} and a pause of {PAUSE_SECONDS} s"
            )


@cache
def current() -> Settings:
    """The settings of this process."""
    return load(os.environ)


def panel() -> Panel:
    """The panel's settings, in a function that has them."""
    found = current().panel
    if found is None:
        raise SettingsError("this function is not told the panel's settings")
    return found


def table_name(variable: str) -> str:
    """The name of a table, which the template hands over in the environment."""
    try:
        return os.environ[variable]
    except KeyError:
        raise SettingsError(f"{variable} is not set") from None

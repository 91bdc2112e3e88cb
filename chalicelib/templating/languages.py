"""How a language writes moments and numbers. A new language is an entry here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Language:
    """The usual forms of one language; of a date `{day}`, `{month}` and `{year}` are filled in."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    date: str
    moment: str
    """Of `{weekday}`, `{date}` and `{time}`."""
    thousands: str
    point: str


LANGUAGES: Mapping[str, Language] = {
    "en": Language(
        weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
        date="{day} {month} {year}",
        moment="{weekday}, {date}, {time}",
        thousands=",",
        point=".",
    ),
    "ru": Language(
        weekdays=("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
        months=(
            "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября",
            "ноября", "декабря",
        ),
        date="{day} {month} {year} г.",
        moment="{weekday}, {date}, {time}",
        thousands="\N{NO-BREAK SPACE}",
        point=",",
    ),
}  # fmt: skip

FORMS = ("full", "date", "time")


def zone_of(name: str | None) -> tzinfo:
    """The zone of an IANA name; UTC where there is none of that name."""
    return (_zone(name) if name else None) or UTC


def is_zone(name: str) -> bool:
    """Whether it is the IANA name of a zone."""
    return _zone(name) is not None


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # no such zone, no name of one, the folder of several
        return None


def moment_in_words(moment: datetime, locale: str, time_zone: str | None, form: str = "full") -> str:
    """A moment where the recipient is: `Friday, 27 November 2026, 16:30 (UTC+3)`.

    Of the forms, `date` and `time` give only that part. ValueError for another form.
    """
    if form not in FORMS:
        raise ValueError(f"a moment has the forms {', '.join(FORMS)}, not {form!r}")
    language, there = LANGUAGES[locale], moment.astimezone(zone_of(time_zone))
    date = language.date.format(day=there.day, month=language.months[there.month - 1], year=there.year)
    time = f"{there:%H:%M} ({_offset(there)})"
    parts = {"date": date, "time": time}
    whole = language.moment.format(weekday=language.weekdays[there.weekday()], **parts)
    return parts.get(form, whole)


def _offset(there: datetime) -> str:
    minutes = (there.utcoffset() or timedelta()) // timedelta(minutes=1)
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def number_in_words(number: float, locale: str, decimals: int | None = None) -> str:
    """A number as the language writes it: 1,234.5 or 1 234,5; with so many decimals, or as many as it has."""
    language = LANGUAGES[locale]
    text = f"{number:,}" if decimals is None else f"{number:,.{decimals}f}"
    return text.translate({ord(","): language.thousands, ord("."): language.point})

"""Chat ids, as messengers have them: whole numbers of 64 bits, those of groups negative."""

import re

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_LARGEST = 2**63 - 1


def chat_id_of(contact: str | None) -> str | None:
    """A chat id in its normal form, or None when it is none."""
    text = (contact or "").strip()
    if not _WHOLE.fullmatch(text):
        return None
    number = int(text)
    return str(number) if number and -_LARGEST - 1 <= number <= _LARGEST else None

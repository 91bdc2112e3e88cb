"""Asking services outside over HTTP: bounded in time and size, and tried again where that may help.

No message holds an address: an operator's URL may hold a key.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.settings import PAUSE_SECONDS

if TYPE_CHECKING:
    from urllib3 import PoolManager

MAX_ANSWER_BYTES = 1024 * 1024
FIRST_PAUSE_SECONDS = 0.25
"""Pauses between tries double up to PAUSE_SECONDS; each is shortened by up to a half, by chance."""

clock = time.monotonic
"""When a silent service may be asked again; tests move it."""


class OutsideError(Exception):
    """A service outside gave no answer that could be used; says why."""


class SilentError(OutsideError):
    """It gave no answer at all: no connection, or not in time."""


class _BrokenOffError(Exception):
    """A try did not end in time."""


@dataclass(frozen=True)
class Limits:
    """How patiently a service is asked: tries of each request, seconds of each try, and of all together."""

    tries: int
    timeout_seconds: float
    seconds: float
    at_once: int = 1


@dataclass(frozen=True)
class Request:
    """What is asked."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes

    @property
    def is_worth_another_try(self) -> bool:
        return self.status == 429 or self.status >= 500

    def object(self) -> dict[str, Any]:
        """The JSON object of a success; OutsideError says what it is otherwise."""
        if not 200 <= self.status < 300:
            raise OutsideError(f"status {self.status}")
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise OutsideError("something that is not JSON") from error
        if not isinstance(found, dict):
            raise OutsideError("JSON that is no object")
        return found


class Service:
    """A service outside, as this process knows it.

    After it was silent for all its tries it is left alone for a while: whoever comes next would only wait.
    Quick refusals (429, 5xx) cost no time and have no such consequence.
    """

    def __init__(self, name: str, silence_seconds: float) -> None:
        self._name, self._silence_seconds = name, silence_seconds
        self._silent_until: float | None = None

    def ask(self, requests: Sequence[Request], limits: Limits) -> list[Answer | OutsideError]:
        """An answer for each request, or why there is none; never later than `limits` says."""
        if self._is_silent():
            return [SilentError("no answer a moment ago: left alone")] * len(requests)
        if not requests:
            return []
        deadline = time.monotonic() + limits.seconds
        threads = ThreadPoolExecutor(min(limits.at_once, len(requests)), self._name)
        asked = [threads.submit(self._answer, request, limits, deadline) for request in requests]
        wait(asked, timeout=limits.seconds)
        # What hangs beyond its deadline (in a name server, in an answer's head) ends in its own time.
        threads.shutdown(wait=False, cancel_futures=True)
        return [self._result(each) for each in asked]

    def ask_one(self, request: Request, limits: Limits) -> Answer:
        """The answer; OutsideError when there is none."""
        (answer,) = self.ask([request], limits)
        if isinstance(answer, OutsideError):
            raise answer
        return answer

    def forget(self) -> None:
        """Begin anew: as if it had never been silent."""
        self._silent_until = None

    def _is_silent(self) -> bool:
        return self._silent_until is not None and clock() < self._silent_until

    def _result(self, asked: "Future[Answer]") -> Answer | OutsideError:
        if asked.done() and not asked.cancelled():
            error = asked.exception()
            if error is None:
                return asked.result()
            if not isinstance(error, OutsideError):
                raise error
        else:
            error = SilentError("no answer in time")
        if isinstance(error, SilentError) and not self._is_silent():
            self._note_silence()
        return error

    def _answer(self, request: Request, limits: Limits, deadline: float) -> Answer:
        from urllib3.exceptions import HTTPError

        failure: OutsideError = SilentError("no time left to ask")
        for number in range(limits.tries):
            if number:
                time.sleep(_pause(number))
            left = deadline - time.monotonic()
            if left <= 0 or self._is_silent():
                break
            try:
                answer = _ask_once(request, min(limits.timeout_seconds, left))
            except (HTTPError, _BrokenOffError) as error:
                failure = SilentError(f"no answer ({type(error).__name__})")
                continue
            if not answer.is_worth_another_try:
                return answer
            failure = OutsideError(f"status {answer.status}")
        if isinstance(failure, SilentError) and time.monotonic() <= deadline:
            self._note_silence()  # at once, to spare the others; later nobody waits for it any more
        raise failure

    def _note_silence(self) -> None:
        self._silent_until = clock() + self._silence_seconds


def _pause(number: int) -> float:
    return min(FIRST_PAUSE_SECONDS * 2.0 ** (number - 1), PAUSE_SECONDS) * random.uniform(0.5, 1)  # noqa: S311


@cache
def _connections() -> "PoolManager":
    # botocore has loaded it already; what never asks anybody outside does not make one.
    from urllib3 import PoolManager

    return PoolManager(num_pools=4, maxsize=16)


def _ask_once(request: Request, seconds: float) -> Answer:
    from urllib3 import Timeout

    end = time.monotonic() + seconds
    response = _connections().request(
        request.method,
        request.url,
        body=request.body,
        headers={"Accept": "application/json", **request.headers},
        timeout=Timeout(total=seconds),
        retries=False,
        redirect=False,  # a token must not be carried to another host
        preload_content=False,
        decode_content=False,
    )
    body = b""
    try:
        while part := response.read1(64 * 1024):
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise OutsideError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > end:
                raise _BrokenOffError  # each byte came in good time, the whole did not
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return Answer(response.status, body)

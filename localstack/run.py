"""Runs Vestnik on this machine, without an AWS account: `make run`, and with LocalStack `make localstack`.

Starts the emulator, a mailbox and a front door, deploys the very package that goes to AWS, and prints
where everything is. Ctrl-C stops it; what was stored is there again at the next start.
"""

import contextlib
import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from localstack import demo
from localstack.choice import emulator_named
from localstack.demo import Credentials
from localstack.emulator import Emulator
from localstack.front_door import FrontDoor
from localstack.in_docker import LocalStackInDocker
from localstack.mailbox import Mails, SmtpServer
from localstack.mailbox_page import MailboxPage
from localstack.options import Options, parse_options, port_variable
from localstack.ports import LOOPBACK, LocalError, require_free

STAGE = "dev"
STACK = f"vestnik-{STAGE}"
THROTTLE_STEP_SECONDS = 10
CONSUMERS = (4, 2, 20)  # and the bounds; a worker process each, per queue: a laptop is no data centre
HEALTH = "/api/v1/health"
FIRST_NOTIFICATION = "first-notification.json"
API_SECONDS = 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal, the command's end or a fault."""
    options = parse_options(arguments, __doc__)
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        return _run(options)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130 if options.once else 0
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # Once only: a second Ctrl-C must not break off the saving.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    _say("\nStopping …")
    raise KeyboardInterrupt


def _say(line: str) -> None:
    # When the terminal was closed there is nobody to tell, and all the more reason to stop in order.
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _run(options: Options) -> int:
    started = time.monotonic()
    with ExitStack() as stack:
        _require_own(options.data, stack)
        for name, port, purpose in options.ports:
            require_free(port, purpose, f"stop what uses it, or set {port_variable(name)}")
        emulator = _start_emulator(options, stack)
        with _explaining_a_dead(emulator):
            if emulator.mail_server is None:
                _start_mailbox(options, stack)
            api_id = _deploy(options, emulator)
            _open_front_door(options, api_id, emulator, stack)
            credentials, generated = _demo(options, emulator)
            _greet(options, credentials, generated, time.monotonic() - started, emulator)
            if options.once:
                return subprocess.run(options.once, check=False).returncode
            emulator.wait()
    return 0


def _require_own(data: Path, stack: ExitStack) -> None:
    """Two runs on the same data would overwrite each other's state."""
    data.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((data / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LocalError(f"Vestnik is already running on {data}: stop it, or set VESTNIK_DATA.") from None


def _start_emulator(options: Options, stack: ExitStack) -> Emulator:
    emulator = _emulator(options)
    with _step(f"The emulator of AWS, {emulator.title}, on port {options.emulator_port}"):
        stack.enter_context(emulator)
    # Everything below speaks to the emulator, whatever account this shell is logged in to.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(emulator.environment)
    return emulator


def _emulator(options: Options) -> Emulator:
    kind = emulator_named(options.emulator)
    places: tuple[int, Path, Path, Path] = (
        options.emulator_port,
        options.data / "state",
        options.data / "tmp",
        options.data / "logs" / "emulator.log",
    )
    if kind is LocalStackInDocker:
        return LocalStackInDocker(*places, mail_ports=(options.smtp_port, options.mails_port))
    return kind(*places)


@contextmanager
def _explaining_a_dead(emulator: Emulator) -> Iterator[None]:
    """When the emulator has died, say that, and not what failed because of it."""
    try:
        yield
    except Exception:
        emulator.check()
        raise


def _start_mailbox(options: Options, stack: ExitStack) -> None:
    with _step(f"The mail server on port {options.smtp_port} and its page on {options.mails_port}"):
        directory = options.data / "mails"
        stack.enter_context(SmtpServer(options.smtp_port, Mails(directory)))
        stack.enter_context(MailboxPage(options.mails_port, directory))


def _deploy(options: Options, emulator: Emulator) -> str:
    # Not at the top: --help and a taken port need no AWS SDK, which takes half a second to load.
    from botocore.exceptions import BotoCoreError, ClientError

    from chalicelib.domain.lanes import Lane
    from infra.consumers import Trio
    from infra.deploy import deploy, function_environment
    from infra.package import PackagingError, package
    from infra.stack import DeploymentError

    smtp_host, smtp_port = emulator.mail_server or (LOOPBACK, options.smtp_port)
    parameters = {
        "PublicUrl": options.api_url,
        "SmtpHost": smtp_host,
        "SmtpPort": str(smtp_port),
        "SmtpSecurity": "none",
        "ThrottleStepSeconds": str(THROTTLE_STEP_SECONDS),
        # The bounds, too: with those that somebody has tried out the number might not agree.
        **{name: value for lane in Lane for name, value in Trio(lane, *CONSUMERS).parameters.items()},
    }
    try:
        with _step("The package (the first takes half a minute)"):
            built = package(STAGE)
        with _step("The deployment by CloudFormation"), emulator.not_saving():
            outputs = deploy(
                STAGE,
                endpoint_url=emulator.endpoint_url,
                stack_name=STACK,
                parameters=parameters,
                package_dir=built.code.parent,
                tell=_say_nothing,
            )
        os.environ.update(function_environment(STACK, emulator.endpoint_url))
    except (PackagingError, DeploymentError, BotoCoreError, ClientError) as error:
        emulator.check()
        raise LocalError(f"Not deployed: {error}") from error
    return outputs["RestAPIId"]


def _say_nothing(line: str) -> None:
    """Sixty resources, one a line, are of interest only on AWS."""


def _open_front_door(options: Options, api_id: str, emulator: Emulator, stack: ExitStack) -> None:
    with _step(f"The API on port {options.api_port}"):
        stack.enter_context(FrontDoor(options.api_port, emulator.port, api_id))
        deadline = time.monotonic() + API_SECONDS
        while (status := _health(options.api_port)) != 200:
            if time.monotonic() > deadline:
                raise LocalError(
                    f"The API does not answer (status {status} from {HEALTH}): see {emulator.log_path}."
                )
            emulator.wait(0.2)


def _health(port: int) -> int | None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=API_SECONDS)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _demo(options: Options, emulator: Emulator) -> tuple[Credentials, bool]:
    """The demo's passwords, and whether they were generated just now."""
    path = options.data / "credentials"
    demo.write_first_notification(options.data / FIRST_NOTIFICATION)
    credentials = demo.load_credentials(path)
    if credentials is not None and demo.are_accepted(credentials, options.api_port):
        return credentials, False
    # Accounts whose passwords were not stored would be in the way for ever.
    what = f"The demo: an administrator, an application, {demo.CONTACTS:,} contacts"
    with _step(what), emulator.not_saving():
        credentials = demo.make()
        demo.store_credentials(path, credentials)
    return credentials, True


def _greet(
    options: Options, credentials: Credentials, generated: bool, seconds: float, emulator: Emulator
) -> None:
    print(f"\nReady after {seconds:.0f} s.\n")
    print(f"  The API      {options.api_url}/api/v1/notifications/")
    print(f"  Try it out   {options.api_url}/api/schema/swagger-ui/")
    print(f"  Read it      {options.api_url}/api/schema/redoc/")
    print(f"  The panel    {options.api_url}/admin/  as {demo.ADMINISTRATOR}")
    print(f"  The mails    {options.mails_url}")
    if generated:
        print("\nGenerated now and shown only this once:")
        print(f"  administrator {demo.ADMINISTRATOR}: {credentials.administrator_password}")
        print(f"  application {demo.APPLICATION}: {credentials.application_password}")
    print(f"\nThe passwords are in {options.data / 'credentials'}.")
    print(f"Send the first notification, to {demo.FIRST_RECIPIENTS} people, a hundred of them each")
    print(f"{THROTTLE_STEP_SECONDS} s (a setting of this demo; the default is longer):\n")
    print(f"  {demo.curl_line(credentials, options.api_url, options.data / FIRST_NOTIFICATION)}\n")
    if not options.once:
        kept = " and keeps the data" if emulator.keeps_state else f"; {emulator.title} keeps no data"
        print(f"Ctrl-C stops everything{kept}.", flush=True)


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and afterwards how long it took."""
    print(f"{what} …", end="", flush=True)
    started = time.monotonic()
    yield
    print(f" {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

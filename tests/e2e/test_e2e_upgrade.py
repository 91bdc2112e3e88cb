"""A running system is upgraded in place, and taken back again, with a thousand messages on their way."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.package import PROJECT, package
from localstack.capabilities import Capability
from tests.support.arrivals import failing_within_function_timeouts, lying
from tests.support.deployment import Deployment, people
from tests.support.smtp import Refuse, ScriptedSmtp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

DEPLOYED = ("app.py", "chalicelib", "infra", "requirements.txt", ".chalice")
REGULAR, EXPRESS, GREYLISTED = 700, 270, 30
THOUSAND = REGULAR + EXPRESS + GREYLISTED
UNDER_WAY = 20
"""So many have the mail when the upgrade begins."""
LIMIT_SECONDS = 240.0


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, check=True).stdout


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The sources of the last commit before this one that differs in what is deployed."""
    package()  # of this version, before anything is on its way
    commits = git("log", "--format=%H", "HEAD", "--", *DEPLOYED).decode().split()
    here = git("rev-parse", *(f"HEAD:{name}" for name in DEPLOYED))
    other = next(
        (each for each in commits if git("rev-parse", *(f"{each}:{name}" for name in DEPLOYED)) != here), None
    )
    assert other, "there is no version before this one here: the clone has to have the history"
    tree = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(git("archive", other, *DEPLOYED))) as archive:
        archive.extractall(tree, filter="data")
    for dependencies in (PROJECT / "build" / "cache").glob("dependencies-*.zip"):
        cache = tree / "build" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copy(dependencies, cache)  # most often it needs the same ones
    return tree


@pytest.fixture
def own(smtp: ScriptedSmtp, tmp_path: Path) -> Iterator[Deployment]:
    """An emulator of its own, on which nothing runs yet."""
    deployment = Deployment(smtp, tmp_path / "emulator.log")
    try:
        yield deployment
    finally:
        deployment.stop()


def test_of_a_thousand_on_their_way_none_is_lost_and_none_is_sent_twice(
    own: Deployment, smtp: ScriptedSmtp, before: Path
) -> None:
    own.start_from(before)
    change_with_a_thousand_on_their_way(own, smtp, own.deploy)


@pytest.mark.needs(Capability.KEEPS_UP)
def test_the_version_before_goes_on_with_what_this_one_has_begun(
    own: Deployment, smtp: ScriptedSmtp, before: Path
) -> None:
    own.start()
    change_with_a_thousand_on_their_way(own, smtp, lambda: own.deploy_from(before))


def change_with_a_thousand_on_their_way(
    running: Deployment, smtp: ScriptedSmtp, change: Callable[[], None]
) -> None:
    """Change the version in the middle; everybody has their one mail in the end.

    The emulator ends the functions' processes when their code changes, where Lambda lets them come to their
    end: what they held comes again after the queue's visibility timeout, which is lowered.
    """
    with failing_within_function_timeouts(running):
        smtp.script(Refuse("451 4.7.1 Greylisted, come back later", times=1), to="grey-*")
        many = running.add_people([*people(GREYLISTED, "grey"), *people(REGULAR)])
        urgent = running.add_people(people(EXPRESS))
        sents = [running.send(many), running.send(urgent, express=True)]
        smtp.wait_for_number(UNDER_WAY, LIMIT_SECONDS)

        change()

        arrived = len(smtp.mails())
        assert arrived < THOUSAND, "nothing was on its way any more"
        smtp.wait_for_number(THOUSAND, LIMIT_SECONDS)
        for sent in sents:
            running.wait_for(sent, sent=sent.recipients)
        assert smtp.counts() == dict.fromkeys((each.email for each in (*many, *urgent)), 1)
        wait_until(lambda: not lying(running), LIMIT_SECONDS, "empty queues")

"""Breaks the product on purpose, one place at a time, and shows that the proof turns red each time.

python -m tests.faults.mutants [NAME-PART ...]
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("app.py", "chalicelib", "infra", "localstack", "tests", "pyproject.toml", ".chalice")
PROOF = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/faults", "-k")
A_POINT = re.compile(r"point \d: |the echo changed |the role of ")
"""What a broken product has to be red for; to be red for something else proves nothing."""


@dataclass(frozen=True)
class Mutant:
    """One thing broken: in a file, one text in the place of another."""

    name: str
    path: str
    was: str
    becomes: str
    scenario: str = ""
    """Where it shows, for those that would be found late: to run all before it takes minutes."""


ROWS = "chalicelib/tables/users_notifications.py"
DISPATCHES = "chalicelib/tables/dispatches.py"
RUNS = "chalicelib/services/frequency_runs.py"
STOPPING = "chalicelib/services/stopping.py"
MUTANTS = (
    Mutant(
        "claim without condition",
        ROWS,
        "actions=actions, condition=free, returning=True",
        "actions=actions, condition=None, returning=True",
    ),
    Mutant(
        "a live lease is acknowledged",
        "chalicelib/services/deliver.py",
        "case Busy(until):\n                self._after.hop(incoming, dispatch, delay_until(until, now))",
        "case Busy(until):\n                pass",
    ),
    Mutant(
        "marked unsent without condition",
        ROWS,
        "row.put(condition=UsersNotification.user_id.does_not_exist())",
        "row.put()",
    ),
    Mutant(
        "the sweep clears before it sends",
        "chalicelib/services/sweep_unsent.py",
        "    refused = set(\n        queues.send_all(",
        "    for each in ready:\n        mark_requeued(each.row, clock())\n"
        "    refused = set(\n        queues.send_all(",
    ),
    Mutant("retry without not_before", ROWS, "    if outcome.not_before:\n", "    if False:\n"),
    Mutant(
        "the dispatch is written before the audience",
        "chalicelib/services/submit.py",
        "        write_audience(ids.audience",
        "        add_pending(dispatch)\n        write_audience(ids.audience",
    ),
    Mutant(
        "own echo not accepted: claim",
        ROWS,
        "& ((row.lease_until <= iso(now)) | (row.lease_owner == lease.owner))",
        "& (row.lease_until <= iso(now))",
    ),
    Mutant(
        "own echo not accepted: outcome",
        ROWS,
        "condition=model.lease_owner == row.lease_owner\n",
        "condition=(model.lease_owner == row.lease_owner) & (model.status == Status.SENDING)\n",
    ),
    Mutant(
        "own echo not accepted: pending dispatch",
        DISPATCHES,
        "        return Dispatch.from_raw_data(failure.found)\n    return dispatch\n",
        "        dispatch.pending = None\n    return dispatch\n",
        "time",
    ),
    Mutant(
        "own echo not accepted: sweep",
        "chalicelib/tables/unsent.py",
        "return failure.item is not None and model.from_raw_data(failure.item).state is becomes",
        "return False",
    ),
    Mutant(
        "leftovers of a batch of messages are dropped",
        "chalicelib/queues.py",
        'indexes = [int(failed["Id"]) for failed in answer.get("Failed", [])]',
        "indexes = []",
    ),
    Mutant(
        "leftovers of a batch of items are dropped",
        "chalicelib/tables/base.py",
        "        request = send(request)\n        if not request:\n            return\n",
        "        send(request)\n        return\n",
    ),
    Mutant(
        "a hop that the queue refused is acknowledged",
        "chalicelib/services/aftermath.py",
        "            self._hold(self._hops[index], clock)\n",
        "            del index\n",
        "queues",
    ),
    Mutant(
        "a hop that nothing else can hold is acknowledged",
        "chalicelib/services/aftermath.py",
        "            self.failures.append(incoming.id)\n        else:",
        "            pass\n        else:",
        "queues",
    ),
    Mutant(
        "parts that the queue refused are not taken back",
        "chalicelib/services/fan_out.py",
        "        take_back(dispatch, [parts[index] for index in refused])\n",
        "",
        "queues",
    ),
    Mutant(
        "the mark goes though more was taken back meanwhile",
        DISPATCHES,
        "condition=row.id.exists() & (row.due_at == dispatch.due_at) & same,",
        "condition=row.id.exists() & (row.due_at == dispatch.due_at),",
        "queues",
    ),
    Mutant(
        "the pending mark goes though the queue refused",
        "chalicelib/services/hand_over.py",
        "return [each for each in dispatches if each.id not in pending]",
        "return list(dispatches)",
        "queues",
    ),
    Mutant(
        "unsubscribes are not looked at before a send",
        "chalicelib/services/deliver.py",
        "unsubscribe is not None and unsubscribe.refuses(dispatch.type)",
        "False",
    ),
    Mutant(
        "what was sent is tried to be written down once",
        "chalicelib/services/deliver.py",
        "ends = outcome.status is not Status.SENT or not is_outage(error)",
        "ends = True",
    ),
    Mutant(
        "who was final before a cancellation is not looked at",
        "chalicelib/services/recipients.py",
        "record_letters(dispatch, chunk, final_statuses(dispatch, users))",
        "record_letters(dispatch, chunk, {})",
        "cancelled",
    ),
    Mutant(
        "sent again without the unsent mark",
        "chalicelib/tables/failed.py",
        "        model.attention.set(unsent_mark(lane, row.user_id)),\n",
        "        model.attention.remove(),\n",
        "dead",
    ),
    Mutant(
        "sent again without condition",
        "chalicelib/tables/failed.py",
        "actions=actions, condition=model.status == Status.FAILED)",
        "actions=actions, condition=None)",
        "dead",
    ),
    Mutant(
        "the unsent letter hides a final one",
        "chalicelib/tables/progress.py",
        "path.set(letter) if status.is_terminal else path.set(path | letter)",
        "path.set(letter)",
        "queues",
    ),
    Mutant(
        "a role allows less than its function calls",
        "infra/template/roles-workers.yaml",
        "Action: [dynamodb:BatchGetItem, dynamodb:PutItem, dynamodb:UpdateItem]",
        "Action: [dynamodb:PutItem, dynamodb:UpdateItem]",
        "dead",
    ),
    Mutant(
        "the tick's role does not allow what it asks",
        "infra/template/roles-workers.yaml",
        'Resource: !Sub "${FrequenciesTable.Arn}/index/due"',
        'Resource: !Sub "${FrequenciesTable.Arn}/index/listed"',
        "missed",
    ),
    Mutant(
        "the next run moves on whoever has changed the frequency",
        "chalicelib/tables/frequencies.py",
        "condition=(row.changed_by == frequency.changed_by) & (row.next_run_at == frequency.next_run_at),",
        "condition=row.slug.exists(),",
        "paused",
    ),
    Mutant(
        "the next run moves on before the runs are made",
        RUNS,
        "    made: list[Dispatch] = []\n    count = 0\n",
        "    made: list[Dispatch] = []\n    count = 0\n"
        "    advance(frequency, next(schedule.runs_after(until), None))\n",
        "missed",
    ),
    Mutant(
        "a run has another id whenever it is made",
        RUNS,
        "    return str(uuid7(parse(run_at), digest[:10]))",
        '    return str(uuid7(parse(run_at), __import__("os").urandom(10)))',
        "missed",
    ),
    Mutant(
        "a run's id does not tell the version",
        RUNS,
        'f"{slug}\\0{version}\\0{run_at}"',
        'f"{slug}\\0{run_at}"',
        "changed",
    ),
    Mutant(
        "runs that were missed are sent each for itself",
        RUNS,
        "covers_until=iso(due)",
        "covers_until=iso(run)",
        "missed",
    ),
    Mutant(
        "a run is sent when it is made",
        RUNS,
        "due_at=iso(due),",
        "due_at=iso(now),",
        "paused",
    ),
    Mutant(
        "a paused frequency is not stopped",
        STOPPING,
        "if frequency is None or not frequency.is_running:",
        "if frequency is None:",
        "paused",
    ),
    Mutant(
        "a stopped frequency is not looked at before a send",
        "chalicelib/services/deliver.py",
        "return bool(dispatch.frequency) and is_stopped(dispatch, read.frequencies.get(dispatch.frequency))",
        "return False",
        "paused",
    ),
    Mutant(
        "the runs of the version before are not stopped",
        STOPPING,
        "return not owns(frequency.eras, dispatch.run_at, int(dispatch.frequency_version))",
        "return False",
        "changed",
    ),
    Mutant(
        "what was put off is sent by the messages of before",
        "chalicelib/services/deliver.py",
        "if dispatch.send_at and dispatch.due > now:",
        "if False:",
        "put",
    ),
    Mutant(
        "the throttle does not delay",
        "chalicelib/services/fan_out.py",
        "delay = delay_until(due, clock())",
        "delay = 0",
        "time",
    ),
)


def is_seen(mutant: Mutant) -> tuple[bool, str]:
    """Whether the proof turns red when this is broken, and by what."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        broken = copy / mutant.path
        text = broken.read_text("utf-8")
        assert text.count(mutant.was) == 1, f"{mutant.name}: its place in {mutant.path} is not there any more"
        broken.write_text(text.replace(mutant.was, mutant.becomes), "utf-8")
        ran = subprocess.run(
            [sys.executable, *PROOF, f"one_call and {mutant.scenario or 'seven'}"],
            cwd=copy,
            env={**os.environ, "ENOUGH_BROKEN": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
    said = [line for line in ran.stdout.splitlines() if A_POINT.search(line)]
    return ran.returncode == 1 and bool(said), (said or ran.stdout.splitlines()[-1:])[0].removeprefix(
        "E "
    ).strip()


def main(parts: Sequence[str]) -> int:
    """Break one after the other; 1 when something broken is not seen."""
    chosen = [mutant for mutant in MUTANTS if not parts or any(part in mutant.name for part in parts)]
    unseen = 0
    for mutant in chosen:
        started = time.monotonic()
        seen, why = is_seen(mutant)
        unseen += not seen
        print(
            f"{'red' if seen else 'STILL GREEN'}  {mutant.name}  ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        print(f"     {why[:160]}", flush=True)
    print(f"{len(chosen) - unseen} of {len(chosen)} broken products turned the proof red.")
    return 1 if unseen or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One fresh process of a worker: imports it, and works one event twice, with AWS answering from a record.

Run by itself, without the project's environment:
`python -I -S first_child.py PACKAGE MODULE FUNCTION RECORD`.
"""

import base64
import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> None:
    package, module, function, record = sys.argv[1:]
    sys.path.insert(0, package)
    recorded = json.loads(Path(record).read_text("utf-8"))
    context = SimpleNamespace(aws_request_id="bench", get_remaining_time_in_millis=lambda: 60_000)
    started = time.process_time()
    handler = getattr(importlib.import_module(module), function)
    taken = {"import": time.process_time() - started}

    from botocore.endpoint import Endpoint

    answers = iter(
        [
            SimpleNamespace(
                status_code=answer["status"],
                headers=answer["headers"],
                content=base64.b64decode(answer["content"]),
            )
            for answer in recorded["answers"]
        ]
    )

    def answer(*_: Any) -> Any:
        return next(answers)

    setattr(Endpoint, "_send", answer)  # noqa: B010 (private: the stubs do not know it)
    for name in ("first", "second"):
        started = time.process_time()
        answered = handler(recorded["event"], context)
        taken[name] = time.process_time() - started
        assert not answered["batchItemFailures"], answered
    assert not list(answers), "fewer calls of AWS than were recorded"
    sys.stderr.write(f"taken {json.dumps(taken)}")


if __name__ == "__main__":
    main()

"""A process that makes runs: ``python -m fewshot_lib.engines.worker``, started by ``process``.

Jobs come in as JSON lines, outcomes go out as JSON lines. The end of the input ends the process at
once: it must not outlive the one that started it, however that died.
"""

import json
import os
import queue
import sys
import threading

from fewshot_lib.experiments.engines.jobs import Job, attempt
from fewshot_lib.experiments.engines.params import environment
from fewshot_lib.experiments.engines.serial import torch_threads


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing that is printed may get among the answers
    inbox: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(inbox,), daemon=True).start()
    while True:
        order = json.loads(inbox.get())
        with environment(FEWSHOT_PROGRESS=order["events"]), torch_threads(order["threads"]):
            outcome = attempt(Job.from_json(order["job"]))
        answers.write(json.dumps(outcome.to_json()) + "\n")
        answers.flush()


def listen(inbox: queue.SimpleQueue) -> None:
    for line in sys.stdin:
        inbox.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()

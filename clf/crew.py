"""Trains parts of a run, each in a fresh interpreter: one after the other, or side by side where there are GPUs for it."""

import json
import os
import signal
import subprocess
import sys
import time

from clf import config, paths, runs


def devices(parts: int) -> list[str | None]:
    """The CUDA_VISIBLE_DEVICES of each place where a part can be trained at the same time; None: as it is.

    One GPU each where there are at least as many parts as GPUs; else one place that has them all (MirroredStrategy).
    """
    found = runs.gpus()
    return list(found) if 1 < len(found) <= parts else [None]


def train(place: paths.Place, run: paths.Run, keys: list[str], end: float | None, pause_at: float | None) -> None:
    """Trains the parts that are not whole, with equal shares of the time until `end` (time.monotonic).

    Ctrl-C reaches all of them. The first failure stops the others where they can be continued, and its status becomes the command's.
    """
    waiting = [key for key in keys if not run.fold(key).record.exists()]
    free = devices(len(waiting))
    places = len(free)
    running: dict[subprocess.Popen, tuple[str, str | None]] = {}
    try:
        while waiting or running:
            while waiting and free:
                seconds = (end - time.monotonic()) / -(-len(waiting) // places) if end else None
                key, device = waiting.pop(0), free.pop(0)
                running[_start(place, run, key, device, seconds, pause_at, quiet=places > 1)] = key, device
            time.sleep(0.05)
            for process in [process for process in running if process.poll() is not None]:
                key, device = running.pop(process)
                free.append(device)
                if process.returncode:
                    _stop(running)
                    sys.exit(_status(run, key, process.returncode))
    except KeyboardInterrupt:
        _stop(running)
        raise


def _start(place, run, key: str, device: str | None, seconds: float | None, pause_at: float | None, quiet: bool) -> subprocess.Popen:
    pause = None if pause_at is None else pause_at - time.monotonic()
    task = {"competition": place.competition, "run": str(run.folder), "key": key, "seconds": seconds, "pause": pause}
    path = os.pathsep.join(filter(None, (str(paths.CHECKOUT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path}
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    if quiet:
        environment["TQDM_DISABLE"] = "1"  # bars of several processes would overwrite each other
    # A session of its own: the terminal's Ctrl-C reaches this process alone, which hands it on once. The pipe ends when this process does.
    command = [sys.executable, "-m", "clf.train", json.dumps(task)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)


def _stop(running: dict) -> None:
    """Asks every process to write a checkpoint and end; Ctrl-C meanwhile kills them."""
    for process in running:
        process.send_signal(signal.SIGINT)
    try:
        for process in running:
            process.wait()
    except KeyboardInterrupt:
        for process in running:
            process.kill()


def _status(run: paths.Run, key: str, status: int) -> int:
    if status < 0:
        print(
            f"error: {run.name} {run.fold(key).folder.name} was killed by signal {-status}"
            f"{' (the memory may have run out: batch_size=, image_size=)' if -status == signal.SIGKILL else ''}. The same command continues.",
            file=sys.stderr,
        )
    return 128 - status if status < 0 else status


def pause_time(deadline: float) -> float | None:
    """When (time.monotonic) a training has to stop, so that the command ends within `deadline` minutes of its start; 0: never."""
    # What a checkpoint and the end of an interpreter take, and a step that has begun.
    return config.STARTED + max(0.0, 60 * deadline - 15) if deadline else None

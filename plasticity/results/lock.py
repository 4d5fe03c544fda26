"""Lock of a folder: one process works in it at a time, and the next is told which."""

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from plasticity.core.errors import ConfigError, Problem


class InUse(ConfigError):
    """Another process works in a folder."""


@contextmanager
def alone(path: Path, wait: bool = True) -> Iterator[None]:
    """While nobody else is inside, of whatever process; a process that is killed is out.

    Two commands may want one cell, and a worker outlives a killed leader for a moment. (flock: between machines it
    needs a file system that locks, as NFS 4, Lustre with `flock`, or GPFS do.)

    Args:
        path: a folder; it is made.
        wait: until it is free; a warning says for whom.

    Raises:
        InUse: it is not free, and is not waited for.
    """
    path.mkdir(parents=True, exist_ok=True)
    with open(path / ".lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            who = lock.read().strip() or "another process"
            if not wait:
                text = f"in use by {who}: wait until it is done, or stop it"
                raise InUse([Problem(str(path), text)]) from None
            logging.getLogger(__name__).warning("%s: waits for %s", path, who)
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(
            f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}\n"
        )
        lock.flush()
        yield

"""Share: tasks over processes, here or on a cluster; a worker that dies is replaced, and its task begun again."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

T = TypeVar("T")
Task = tuple[Any, ...]
"""Arguments of the work."""
DEATHS = 8
"""Workers that may die, of all, before that is taken for the tasks' fault."""
POLL = 0.5
"""Seconds between two looks."""


@dataclass(frozen=True)
class Engine:
    """Where tasks are done. All see the same files: on a cluster, the folder of runs lies on a shared file system.

    Args:
        kind: local: processes here (joblib's loky); ray or dask: here, or on the cluster at `address`; slurm: jobs of
            an array (submitit).
        jobs: tasks at a time; each computes with its share of this machine's cores. A cluster with an address decides
            how many.
        address: of a cluster: auto or IP:port of Ray, tcp://IP:port of Dask; of slurm, `local` stays here.
        minutes: time limit of a Slurm job.
    """

    kind: Literal["local", "ray", "dask", "slurm"] = "local"
    jobs: int = 2
    address: str | None = None
    minutes: int = 24 * 60

    @property
    def threads(self) -> int:
        """Of torch, per task."""
        return max(1, joblib.cpu_count() // self.jobs)

    @property
    def environment(self) -> dict[str, str]:
        """Of a worker, before it imports torch: threads that wait sleep, or processes slow each other tenfold."""
        return {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(self.threads)}

    def lack(self) -> str | None:
        """What must be installed first; None: nothing."""
        module = {"ray": "ray", "dask": "distributed", "slurm": "submitit"}.get(self.kind)
        try:
            if module:
                import_module(module)
        except ImportError:
            return f"--engine {self.kind}: expected its package: pip install 'plasticity-testbed[{self.kind}]'"
        return None


def share(work: Callable[..., T], tasks: Sequence[Task], engine: Engine) -> Iterator[T]:
    """Do the tasks, several at a time; yields what `work` returns, in whatever order it is done.

    Args:
        work: a function of a module; it leaves behind what it has done, so that it may be called again.
        tasks: its arguments.
        engine: where.

    Raises:
        RuntimeError: workers keep dying.
    """
    left, deaths = dict(enumerate(tasks)), 0
    while left:
        try:
            for index, result in ENGINES[engine.kind](work, left, engine):
                del left[index]
                yield result
        except TerminatedWorkerError as error:
            deaths += 1
            if deaths > DEATHS:
                raise RuntimeError(f"{deaths} workers died, the last thus: {error}") from None


Done = Iterator[tuple[int, Any]]
"""Number of a task, and what it returned."""


def _local(work: Callable[..., Any], tasks: dict[int, Task], engine: Engine) -> Done:
    limit = {"inner_max_num_threads": engine.threads} if engine.jobs > 1 else {}
    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # inherited by the workers
    try:
        with joblib.parallel_config("loky", n_jobs=engine.jobs, **limit):
            calls = (
                joblib.delayed(_follow)(os.getpid(), index, work, task)
                for index, task in [*tasks.items()]
            )
            yield from cast(Done, joblib.Parallel(return_as="generator_unordered")(calls))
    finally:
        os.environ.pop("OMP_WAIT_POLICY")
        os.environ.update({} if before is None else {"OMP_WAIT_POLICY": before})


def _ray(work: Callable[..., Any], tasks: dict[int, Task], engine: Engine) -> Done:
    import ray

    cores = None if engine.address else engine.jobs
    ray.init(
        engine.address,
        num_cpus=cores,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        remote = ray.remote(
            num_cpus=1, max_retries=DEATHS, runtime_env={"env_vars": engine.environment}
        )(_calm)
        waiting = {
            remote.remote(engine.threads, work, task): index for index, task in [*tasks.items()]
        }
        while waiting:
            ready, _ = ray.wait([*waiting], num_returns=1)
            yield waiting.pop(ready[0]), ray.get(ready[0])
    finally:
        ray.shutdown()


def _dask(work: Callable[..., Any], tasks: dict[int, Task], engine: Engine) -> Done:
    from distributed import Client, LocalCluster, as_completed

    with (
        Client(engine.address)
        if engine.address
        else Client(
            LocalCluster(
                n_workers=engine.jobs,
                threads_per_worker=1,
                dashboard_address=cast(Any, None),
                env=engine.environment,
            )
        )
    ) as client:
        waiting = {
            client.submit(_calm, engine.threads, work, task, pure=False, retries=DEATHS): index
            for index, task in [*tasks.items()]
        }
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _slurm(work: Callable[..., Any], tasks: dict[int, Task], engine: Engine) -> Done:
    import submitit

    executor = submitit.AutoExecutor(Path.cwd() / ".submitit", cluster=engine.address or "slurm")
    executor.update_parameters(
        name="plasticity",
        timeout_min=engine.minutes,
        cpus_per_task=engine.threads,
        slurm_array_parallelism=engine.jobs,
        slurm_setup=[f"export {k}={v}" for k, v in engine.environment.items()],
    )
    with executor.batch():
        waiting = {
            executor.submit(_calm, engine.threads, work, task): index
            for index, task in [*tasks.items()]
        }
    while waiting:
        for job in [job for job in waiting if job.done()]:
            yield waiting.pop(job), job.result()
        time.sleep(POLL)


ENGINES = {"local": _local, "ray": _ray, "dask": _dask, "slurm": _slurm}


def _follow(leader: int, index: int, work: Callable[..., T], task: Task) -> tuple[int, T]:
    """Do a task; in a worker, no longer than the leading process lives, even if that is killed."""
    if os.getpid() != leader:
        _end_with_parent()
    return index, work(*task)


def _calm(threads: int, work: Callable[..., T], task: Task) -> T:
    """Do a task with so many threads."""
    import torch

    torch.set_num_threads(threads)
    return work(*task)


@cache  # once per process
def _end_with_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While nobody else is inside, of whatever process; a process that is killed is out.

    Two commands may want one cell, and a worker outlives a killed leader for a moment. (flock: between machines it
    needs a file system that locks, as NFS 4, Lustre with `flock`, or GPFS do.)
    """
    path.mkdir(parents=True, exist_ok=True)
    with open(path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

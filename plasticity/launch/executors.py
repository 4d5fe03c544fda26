"""Executors: tasks over processes, here or on a cluster; a worker that dies costs its own task a try."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor

T = TypeVar("T")
Task = tuple[Any, ...]
"""Arguments of the work."""
AGAIN = 3
"""How often a task is begun again because the worker that did it died."""
POLL = 0.5
"""Seconds between two looks."""
IDLE = 10
"""Seconds after which a worker that has nothing to do ends."""


@dataclass(frozen=True)
class Engine:
    """Where tasks are done. All see the same files: on a cluster, the folder of runs lies on a shared file system.

    Args:
        kind: local: processes here (joblib's loky); ray or dask: here, or on the cluster at `address`; slurm: a job
            for every task (submitit).
        jobs: tasks at a time; each computes with its share of this machine's cores. A cluster with an address decides
            how many, each on one core.
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
        return 1 if self.elsewhere else max(1, joblib.cpu_count() // self.jobs)

    @property
    def elsewhere(self) -> bool:
        """Whether a cluster decides how much is done at a time."""
        return self.kind in ("ray", "dask") and self.address is not None

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


class Backend(NamedTuple):
    """How an engine takes tasks."""

    submit: Callable[[Callable[..., Any], Task], "Future[Any]"]
    died: tuple[type[BaseException], ...]
    """What comes of a task whose worker died."""


def share(
    work: Callable[..., T],
    tasks: Sequence[Task],
    engine: Engine,
    lost: Callable[[Task, str], T] | None = None,
) -> Iterator[T]:
    """Do the tasks, several at a time; yields what `work` returns, in whatever order it is done.

    Args:
        work: a function of a module; it leaves behind what it has done, so that it may be called again.
        tasks: its arguments.
        engine: where.
        lost: what to yield of a task whose workers died more than AGAIN times, and of what; None: that raises.

    Raises:
        RuntimeError: the workers of a task keep dying.
    """
    if not tasks:
        return  # no cluster is begun for nothing
    left = deque((task, 0) for task in tasks)
    running = dict["Future[Any]", tuple[Task, int]]()
    room = len(tasks) if engine.elsewhere else engine.jobs
    with ENGINES[engine.kind](engine) as way:
        while left or running:
            while left and len(running) < room:
                task, deaths = left.popleft()
                running[way.submit(work, task)] = task, deaths
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task, deaths = running.pop(future)
                if not isinstance(error := future.exception(), way.died):
                    yield future.result()
                    continue
                if deaths < AGAIN:
                    left.append((task, deaths + 1))
                    continue
                why = f"its worker died {deaths + 1} times, as for want of memory: {error}"
                if lost is None:
                    raise RuntimeError(why) from None
                yield lost(task, why)


@contextmanager
def _local(engine: Engine) -> Iterator[Backend]:
    if engine.jobs == 1:
        yield Backend(_here, ())
        return
    workers = _workers(engine)

    def submit(work: Callable[..., Any], task: Task) -> "Future[Any]":
        return next(each for each in workers if each.free).submit(work, task)

    try:
        yield Backend(submit, (BrokenExecutor,))
    except BaseException:
        _workers.cache_clear()
        for each in workers:
            each.kill()
        raise


@cache
def _workers(engine: Engine) -> "list[_Worker]":
    """They serve one call of `share` after the other: a worker imports torch once."""
    return [_Worker(engine) for _ in range(engine.jobs)]


class _Worker:
    """A process, by a pool of its own, so that its death is known to be its task's fault; after one, another."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.last: Future[Any] | None = None
        self.pool = self._pool()

    @property
    def free(self) -> bool:
        return self.last is None or self.last.done()

    def submit(self, work: Callable[..., Any], task: Task) -> "Future[Any]":
        if self.last is not None and isinstance(self.last.exception(), BrokenExecutor):
            self.pool = self._pool()
        self.last = self.pool.submit(_follow, os.getpid(), self.engine.threads, work, task)
        return self.last

    def kill(self) -> None:
        self.pool.shutdown(kill_workers=True)

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, timeout=IDLE, env=self.engine.environment)


def _here(work: Callable[..., Any], task: Task) -> "Future[Any]":
    """In this process, at once."""
    future = Future[Any]()
    try:
        future.set_result(work(*task))
    except Exception as error:
        future.set_exception(error)
    return future


@contextmanager
def _ray(engine: Engine) -> Iterator[Backend]:
    import ray
    from ray import exceptions as bad

    ray.init(
        engine.address or "local",  # else it joins whatever cluster RAY_ADDRESS names
        num_cpus=None if engine.address else engine.jobs * engine.threads,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    environment = {"env_vars": engine.environment}
    calm = ray.remote(num_cpus=engine.threads, max_retries=0, runtime_env=environment)(
        run_with_threads
    )
    try:
        yield Backend(
            lambda work, task: calm.remote(engine.threads, work, task).future(),
            (
                bad.WorkerCrashedError,
                bad.OutOfMemoryError,
                bad.NodeDiedError,
                bad.LocalRayletDiedError,
            ),
        )
    finally:
        ray.shutdown()


@contextmanager
def _dask(engine: Engine) -> Iterator[Backend]:
    from dask.config import set as configured
    from distributed import Client, KilledWorker, LocalCluster

    with configured({"distributed.scheduler.allowed-failures": 0}), ExitStack() as stack:
        here = engine.address or stack.enter_context(
            LocalCluster(
                n_workers=engine.jobs,
                threads_per_worker=1,
                dashboard_address=None,  # pyright: ignore[reportArgumentType] none: its annotation lacks it
                env=engine.environment,
            )
        )
        executor = stack.enter_context(Client(here)).get_executor(pure=False)
        yield Backend(
            lambda work, task: executor.submit(run_with_threads, engine.threads, work, task),
            (KilledWorker,),
        )


@contextmanager
def _slurm(engine: Engine) -> Iterator[Backend]:
    """A job for every task, at most `jobs` in the queue; those that are left when this ends are cancelled."""
    import submitit
    from submitit.core.utils import FailedJobError, UncompletedJobError

    executor = submitit.AutoExecutor(Path.cwd() / ".submitit", cluster=engine.address or "slurm")
    executor.update_parameters(
        name="plasticity",
        timeout_min=engine.minutes,
        cpus_per_task=engine.threads,
        slurm_setup=[f"export {k}={v}" for k, v in engine.environment.items()],
    )
    begun = list[submitit.Job[Any]]()

    def submit(work: Callable[..., Any], task: Task) -> "Future[Any]":
        job = executor.submit(run_with_threads, engine.threads, work, task)
        begun.append(job)
        return threads.submit(outcome, job)

    def outcome(job: submitit.Job[Any]) -> Any:
        try:
            return job.result()
        except FailedJobError as error:  # a kind of the other, but not a death
            raise RuntimeError(f"{error}") from None

    with ThreadPoolExecutor(engine.jobs) as threads:
        try:
            yield Backend(submit, (UncompletedJobError,))
        finally:
            for job in begun:
                if not job.done():
                    job.cancel()


ENGINES: dict[str, Callable[[Engine], AbstractContextManager[Backend]]] = {
    "local": _local,
    "ray": _ray,
    "dask": _dask,
    "slurm": _slurm,
}


def _follow(leader: int, threads: int, work: Callable[..., T], task: Task) -> T:
    """Do a task, no longer than the leading process lives, even if that is killed."""
    _end_with(leader)
    return run_with_threads(threads, work, task)


def run_with_threads(threads: int, work: Callable[..., T], task: Task) -> T:
    """Do a task with so many threads."""
    import torch

    torch.set_num_threads(threads)
    return work(*task)


@cache  # once per process
def _end_with(leader: int) -> None:
    def watch() -> None:
        while os.getppid() == leader:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

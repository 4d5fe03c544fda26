"""Files that would run code, were they opened by what runs code: each makes a folder, the sentinel."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from plasticity.results.sealed import BLANK, write_sealed
from plasticity.results.store import Cell


class Evil:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], word: str):
        self.reduced = function, (word,)

    def __reduce__(self) -> Any:
        return self.reduced


def payloads(sentinel: Path) -> dict[str, tuple[bytes, Callable[[bytes], object]]]:
    """Title -> (bytes, what would run them); BLANK is in the sealed ones."""
    path, code = str(sentinel), f"import os; os.mkdir({str(sentinel)!r})"
    mkdir, run = Evil(os.mkdir, path), Evil(exec, code)
    state = {"weight": torch.ones(2), "evil": mkdir}
    pickles = {f"pickle, protocol {n}": pickle.dumps(mkdir, n) for n in range(6)}
    pickles |= {"pickle, exec": pickle.dumps(run), "sealed pickle": pickle.dumps((BLANK, mkdir), 2)}
    archives = {
        "torch": _torch(mkdir),
        "torch, legacy": _torch(mkdir, False),
        "torch, state dict": _torch(state),
        "torch, checkpoint": _torch({"state_dict": state, "epoch": 0, "callbacks": mkdir}),
        "torch, sealed": _torch({"seal": BLANK, **state}),
    }
    arrays = {"npy": _numpy(np.save, mkdir), "npz": _numpy(np.savez, mkdir)}
    apply = "!!python/object/apply"
    texts = {
        "yaml": f"{apply}:os.mkdir [{path!r}]\n",
        "yaml, a key": f"name: chaos\nseed: {apply}:os.mkdir [{path!r}]\n",
        "yaml, exec": f"stream: {apply}:builtins.exec [{code!r}]\n".replace(
            "'import", '"import'
        ).replace(")']", ')"]'),
        "yaml, system": f"- {apply}:os.system ['mkdir {path}']\n",
        "yaml, sealed": f"seal: {BLANK}\nx: {apply}:os.mkdir [{path!r}]\n",
    }
    found: dict[str, tuple[bytes, Callable[[bytes], object]]] = {}
    found |= {k: (v, pickle.loads) for k, v in pickles.items()}
    found |= {k: (v, _load_torch) for k, v in archives.items()}
    found |= {k: (v, _load_numpy) for k, v in arrays.items()}
    return found | {k: (v.encode(), yaml.unsafe_load) for k, v in texts.items()}


def put(data: bytes, file: Path) -> None:
    """In place of a file; with a seal that fits, where there is room for one: anybody can make it."""
    if data.count(BLANK.encode()) == 1:
        write_sealed(file, data, place(file))
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def place(file: Path) -> str:
    """Under which a file of a run is sealed."""
    if file.suffix == ".parquet":
        first, _, last = file.stem.partition("-")
        return f"{Cell(file.parents[1]).place(file.parent.name)}/{int(first)}-{int(last or first)}"
    if file.stem in ("checkpoint", "weights", "summary"):
        return Cell(file.parent).place(file.stem)
    return file.name


def _torch(value: Any, zipped: bool = True) -> bytes:
    sink = io.BytesIO()
    torch.save(value, sink, _use_new_zipfile_serialization=zipped)
    return sink.getvalue()


def _load_torch(data: bytes) -> object:
    return torch.load(io.BytesIO(data), weights_only=False)


def _numpy(save: Callable[..., Any], value: Any) -> bytes:
    sink = io.BytesIO()
    save(sink, np.array([value], dtype=object))
    return sink.getvalue()


def _load_numpy(data: bytes) -> object:
    found = np.load(io.BytesIO(data), allow_pickle=True)
    return found["arr_0"] if hasattr(found, "files") else found

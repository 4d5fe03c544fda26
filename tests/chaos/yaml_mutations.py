"""Mutations of a YAML: characters, keys, values of other types and sizes, anchors, nesting; seeded."""

import re
from random import Random

VALUES = [
    "null", "true", "''", "x", "[]", "{}", "[[1]]", "[1, 2, 3]", "{type: Frozen}", "{a: {b: c}}",
    "-1", "0", "1.5", "1e-320", "1e308", "1e400", ".nan", ".inf", "-.inf", "99999999999999999999",
    "-99999999999999999999", "0x10", "0o7", "1_000", "12:30:00", "2020-01-01", "!!binary aGk=",
    "!!set {a}", "!!int '3'", "!mine 3", "!!python/name:os.system", "*nobody", "&me [*me]",
    "&a {<<: *a}", "<<", "~", "|", ">", "'", '"', "@", "`", "%", "? a", "- - -", "\\x00", "\x00",
    "\x1b[31m", "\u202e", "\ud7ff", "\ufeff", "\U0001f600", "ü" * 300, "[" * 40, "{a: " * 40,
    "[" * 3000, "a: " * 50, "\t", "\r", "\x85", "${HOME}", "../../etc/passwd",
    "{type: Chain, parts: [{type: Chain, parts: []}]}", "{type: [Frozen]}", "{type: {}}",
]  # fmt: skip
"""What a value may be replaced by: of every type, beyond all bounds, and what YAML or a terminal take for a sign."""


def mutated(text: str, seed: int) -> tuple[str, bytes]:
    """(what was done, the bytes of the file) of one to three mutations."""
    rng, did = Random(seed), list[str]()
    for _ in range(rng.choice([1, 1, 2, 3])):
        kind = rng.choice(list(KINDS))
        text = KINDS[kind](rng, text)
        did.append(kind)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        at = rng.randrange(len(data) + 1)
        data, did = data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at:], [*did, "bytes"]
    return f"seed {seed}: {', '.join(did)}", data


def _delete(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + text[at + rng.randint(1, 5) :]


def _insert(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + rng.choice([*":-[]{},#&*!|>'\"%@`\n\t \x00\x07\x7f\u2028é", *VALUES])
        + text[at:]
    )


def _key(rng: Random, text: str) -> str:
    one = rng.choice(list(re.finditer(r"\w+(?=:)", text)) or [None])
    if one is None:
        return text
    key = one[0]
    other = rng.choice(
        [key[:-1], f"{key}s", key.upper(), key[::-1], f"? {key}", f"{key}\x1b", "type"]
    )
    return text[: one.start()] + other + text[one.end() :]


def _double(rng: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    line = rng.choice(lines)
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "".join(lines)


def _swap(rng: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    rng.shuffle(lines) if rng.random() < 0.1 else lines.pop(rng.randrange(len(lines)))
    return "".join(lines)


def _value(rng: Random, text: str) -> str:
    one = rng.choice(list(re.finditer(r"(?<=: )[^,{}\[\]\n]+", text)) or [None])
    return text if one is None else text[: one.start()] + rng.choice(VALUES) + text[one.end() :]


def _indent(rng: Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    lines[at] = rng.choice([" ", "    ", "\t", "- "]) + lines[at].lstrip()
    return "".join(lines)


KINDS = {
    "delete": _delete, "insert": _insert, "key": _key, "double": _double, "lines": _swap, "value": _value,
    "another value": _value, "indent": _indent,
}  # fmt: skip

"""The guard of a dashboard: without its token nobody is answered."""

import asyncio
from collections.abc import Sequence

from plasticity.tracking.guard import Guard, Message, Receive, Send

Headers = Sequence[tuple[bytes, bytes]]


async def inside(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"runs"})


def answered(
    guard: Guard, query: bytes = b"", headers: Headers = (), kind: str = "http"
) -> list[Message]:
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {}

    scope = {"type": kind, "query_string": query, "headers": headers}
    asyncio.run(guard(scope, receive, send))
    return sent


def test_only_the_token_opens_and_leaves_a_cookie_that_opens() -> None:
    guard = Guard(inside, "secret")
    for query in (b"", b"token=", b"token=secre", b"token=%ff", b"other=secret"):
        assert answered(guard, query)[0]["status"] == 403
    start, body = answered(guard, b"project=a&token=secret")
    assert start["status"] == 200 and body["body"] == b"runs"
    ((_, cookie),) = start["headers"]
    assert b"HttpOnly; SameSite=Strict" in cookie
    mine = (b"cookie", b"theme=dark; " + cookie.partition(b";")[0])
    assert answered(guard, headers=[mine])[0]["status"] == 200


def test_a_wrong_cookie_or_a_socket_is_refused() -> None:
    guard = Guard(inside, "secret")
    wrong = (b"cookie", f"{guard.cookie}=secre".encode())
    assert answered(guard, headers=[wrong])[0]["status"] == 403
    assert answered(guard, b"token=secret", kind="websocket")[0]["type"] == "websocket.close"

"""Guard: a web application that answers only who was given its token, since others share the machine."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Guard:
    """An ASGI application around another: 403 without the token in the address, or in the cookie that this leaves.

    Args:
        inside: what is guarded.
        token: in the address as `?token=`.
    """

    def __init__(self, inside: Application, token: str):
        self.inside, self.token = inside, token
        self.cookie = (
            f"plasticity-{secrets.token_hex(4)}"  # cookies know no ports: one name for each server
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on who may enter."""
        if scope["type"] == "lifespan" or self._cookie_holds(scope):
            await self.inside(scope, receive, send)
        elif scope["type"] == "http" and self._is_token(_asked(scope)):

            async def with_cookie(message: Message) -> None:
                if message["type"] == "http.response.start":
                    cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
                    message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
                await send(message)

            await self.inside(scope, receive, with_cookie)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            text = (
                b"expected the whole address that `plasticity watch` printed, its token included\n"
            )
            await send({"type": "http.response.body", "body": text})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _cookie_holds(self, scope: Message) -> bool:
        found = b"; ".join(value for key, value in scope.get("headers", ()) if key == b"cookie")
        try:
            cookie = SimpleCookie(found.decode("latin-1")).get(self.cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.token.encode())


def _asked(scope: Message) -> str:
    """The token in the address."""
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]

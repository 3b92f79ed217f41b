"""The Materials Project on loopback: the official routers over collections in memory, and faults.

The routers, their parameters and their answers are those of ``emmet-api``. Ours is what stands around them
at the Materials Project: the gateway, which checks the key, and the collections (mongomock).
"""

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

import uvicorn
from emmet.api.API import API
from emmet.api.resource.utils import CollectionWithKey
from emmet.api.routes.materials.insertion_electrodes.resources import insertion_electrodes_resource
from emmet.api.routes.materials.summary.resources import summary_resource
from emmet.api.routes.materials.thermo.resources import thermo_resource
from mongomock_ng import MongoClient
from servers.materials_project_documents import Documents
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COLLECTIONS = {
    "insertion_electrodes": insertion_electrodes_resource,
    "summary": summary_resource,
    "thermo": thermo_resource,
}
FAULTS = (
    "401",
    "403",
    "404",
    "429",
    "500",
    "503",
    "truncated",
    "empty",
    "html",
    "without-count",
    "die",
    "slow",
)
SLOW_S = 0.4
ALWAYS = 10**9


class _Collection:
    """The three methods of an asynchronous collection that emmet-api uses."""

    def __init__(self) -> None:
        self.content = MongoClient().mp.empty

    def replace(self, documents: list[dict[str, Any]]) -> None:
        self.content = MongoClient().mp.documents
        if documents:
            self.content.insert_many([dict(document) for document in documents])

    async def count_documents(self, criteria: dict[str, Any], **_: Any) -> int:
        return self.content.count_documents(criteria)

    async def estimated_document_count(self) -> int:
        return self.content.estimated_document_count()

    async def aggregate(self, pipeline: list[dict[str, Any]], **_: Any) -> "_Cursor":
        return _Cursor(list(self.content.aggregate(pipeline)))


@dataclass
class _Cursor:
    documents: list[dict[str, Any]]

    async def to_list(self) -> list[dict[str, Any]]:
        return self.documents


@dataclass
class _Fault:
    kind: str
    times: int
    path: str
    after: int


class MaterialsProjectServer:
    """A Materials Project that this process and its children reach at ``endpoint``.

    Attributes
    ----------
    endpoint : address, for ``MP_API_ENDPOINT``; it stays when the server is stopped and started again.
    key : the one key that is let in.
    requests : path and query of each request, heartbeats included.
    accepts_non_commercial : whether the account accepted the terms of GNoME's entries.
    dead : whether it has died or was stopped.
    """

    def __init__(self, documents: Documents, version: str = "2026.11.20") -> None:
        self.key = "k" * 32
        self.requests: list[str] = []
        self.accepts_non_commercial = False
        self._faults: list[_Fault] = []
        self._heartbeat: dict[str, Any] = {
            "db_version": version,
            "access_controlled_batch_ids": ["gnome_r2scan_statics"],
        }
        self._collections = {name: _Collection() for name in COLLECTIONS}
        self.replace(documents)
        resources = [make(CollectionWithKey(self._collections[name])) for name, make in COLLECTIONS.items()]
        api = API({"materials": resources}, version="0.87.3", heartbeat_meta=self._heartbeat)
        self._gateway = _Gateway(api.app, self)
        self._port = 0
        self.dead = False
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    @property
    def version(self) -> str:
        """Version of the database."""
        return self._heartbeat["db_version"]

    @version.setter
    def version(self, version: str) -> None:
        self._heartbeat["db_version"] = version

    def replace(self, documents: Documents) -> None:
        """Serve other documents from now on."""
        for name, collection in self._collections.items():
            collection.replace(documents[name])

    def restore(self, documents: Documents, version: str = "2026.11.20") -> None:
        """As new: these documents, no faults, an empty log, and listening."""
        self._faults.clear()
        self.requests.clear()
        self.accepts_non_commercial = False
        self.version = version
        self.replace(documents)
        if self.dead:
            self.start()

    def asked(self, resource: str) -> list[str]:
        """The requests for a resource, such as ``summary`` or ``heartbeat``."""
        return [request for request in self.requests if f"/{resource}" in request.split("?")[0]]

    def fault(self, kind: str, times: int = 1, *, path: str = "/materials/", after: int = 0) -> None:
        """Answer wrongly.

        Parameters
        ----------
        kind : a status; or ``truncated`` JSON; ``empty``, a page without its documents; ``html``, an
            error page; ``without-count``, no statement of how many documents there are; ``die``, cut off
            in the middle of an answer and then away until :meth:`start`; ``slow``, an answer after
            :data:`SLOW_S`.
        times : how many requests.
        path : part of the path and query of those requests.
        after : how many such requests are answered well before.
        """
        if kind not in FAULTS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(FAULTS)}")
        self._faults.append(_Fault(kind, times, path, after))

    def start(self) -> None:
        """Listen, at the same port as before."""
        if self.dead:
            self._thread.join()
        self.dead = False
        config = uvicorn.Config(
            self._gateway,
            host="127.0.0.1",
            port=self._port,
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, daemon=True)
        self._thread.start()
        while not self._uvicorn.started:
            if not self._thread.is_alive():
                raise RuntimeError(f"no server at port {self._port}")
            time.sleep(0.005)
        self._port = self._uvicorn.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Go away: connections are refused from now on."""
        self.die()
        self._thread.join()

    def die(self) -> None:
        """Answer nothing more, and stop listening."""
        self.dead = True
        self._uvicorn.should_exit = self._uvicorn.force_exit = True

    def next_fault(self, request: str) -> str | None:
        """The fault that this request meets, if any."""
        for fault in self._faults:
            if fault.path in request and fault.times:
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault.kind
        return None


class _Gateway:
    """What stands before the routers: log, key, account, faults."""

    def __init__(self, app: ASGIApp, server: MaterialsProjectServer) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._server.dead:
            await _cut(send)
            return
        request = f"{scope['path']}?{scope['query_string'].decode()}"
        self._server.requests.append(request)
        if scope["path"].startswith("/materials"):
            if dict(scope["headers"]).get(b"x-api-key") != self._server.key.encode():
                refused = JSONResponse({"message": "Invalid authentication credentials"}, 401)
                await refused(scope, receive, send)
                return
            if self._server.accepts_non_commercial:
                scope["headers"] = [*scope["headers"], (b"x-consumer-groups", b"TERMS:ACCEPT-NC")]
        kind = self._server.next_fault(request)
        if kind == "die":
            self._server.die()
            await _cut(send)
            return
        if kind == "slow":
            await asyncio.sleep(SLOW_S)
        answer: ASGIApp = self._app
        if kind == "empty":
            answer = await self._emptied(scope, receive)
        elif kind not in (None, "slow"):
            answer = _wrong_answer(kind)
        await answer(scope, receive, send)

    async def _emptied(self, scope: Scope, receive: Receive) -> Response:
        """The true answer without its documents: it still states how many there are."""
        sent: list[bytes] = []

        async def catch(message: Message) -> None:
            sent.append(message.get("body", b""))

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, catch)
        return JSONResponse({**json.loads(b"".join(sent)), "data": []})


async def _cut(send: Send) -> None:
    """Begin an answer; uvicorn closes the connection of one that is not complete."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
    await send({"type": "http.response.body", "body": b'{"data": [', "more_body": True})


def _wrong_answer(kind: str) -> Response:
    if kind == "truncated":
        return Response(b'{"data": [{"material_id": "mp-1",', media_type="application/json")
    if kind == "without-count":
        return JSONResponse({"data": [], "meta": {}})
    if kind == "html":
        return Response("<html>We are moving house.</html>", media_type="text/html")
    headers = {"Retry-After": "0"} if kind == "429" else {}
    return JSONResponse({"detail": "as asked for"}, int(kind), headers=headers)

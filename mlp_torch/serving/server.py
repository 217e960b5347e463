"""A model as a REST service (ch. 5, Stateless Serving Function, Keyed Predictions): Starlette on uvicorn.

POST /v1/models/NAME:predict   {"instances": [{…}, …], "keys": ["a", …]} -> {"predictions": [{"key": "a", …}, …],
                               "warnings": […], "model_version": "…"}; keys may be left out, no instances give []
GET  /v1/models/NAME           name, version, fields, an example request
GET  /v2/health/live, ready    200

What is wrong with a request comes back as {"error": "…"} with 4xx, and as "problems" where data are wrong. A prediction
that is no finite number is null: JSON has no NaN. Needs the extra `serve`; only `mlp_torch.verbs.serve` imports this.
"""

import json
import os
import shlex
import signal
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote as quoted

import anyio
import anyio.to_thread
import orjson
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mlp_torch.errors import ConfigError, DataError, quote
from mlp_torch.ingest.fields import POLICIES
from mlp_torch.serving.payload import parse, too_deep
from mlp_torch.serving.predictor import Predictor

MAX_BYTES = 16 * 2**20
MAX_INSTANCES = 100_000  # of one request; a row may be as short as {}
GRACE = 30  # seconds that requests under way get at the end


def build_app(predictor: Predictor, *, max_bytes: int = MAX_BYTES) -> Starlette:
    """The service of one model.

    Args:
        predictor: the model.
        max_bytes: the longest body.
    """
    service = Service(predictor, max_bytes)
    app = Starlette(
        routes=[
            Route("/v1/models/{name}:predict", service.predict, methods=["POST"]),
            Route("/v1/models/{name}", service.describe, methods=["GET"]),
            Route("/v2/health/live", healthy, methods=["GET"]),
            Route("/v2/health/ready", healthy, methods=["GET"]),
        ],
        exception_handlers={HTTPException: http_error, DataError: data_error, Exception: internal_error},
    )
    app.router.redirect_slashes = False  # an unknown path is a 404, not a detour
    return app


class Service:
    """The endpoints of one model; rows are answered in threads, so that health answers during a long batch."""

    def __init__(self, predictor: Predictor, max_bytes: int):
        self.predictor, self.max_bytes = predictor, max_bytes
        self.limiter = anyio.CapacityLimiter(os.cpu_count() or 1)  # more batches at once would only hold memory

    async def predict(self, request: Request) -> Response:
        """POST: predictions, in the order of the instances."""
        self.require_name(request.path_params["name"])
        require_json(request)
        body = await self.body(request)
        return reply(await anyio.to_thread.run_sync(self.answer, body, limiter=self.limiter))

    async def describe(self, request: Request) -> Response:
        """GET: what the model is and wants."""
        name = request.path_params["name"]
        if name == f"{self.predictor.name}:predict":
            raise HTTPException(405, headers={"Allow": "POST"})
        self.require_name(name)
        fields = [
            {key: value for key, value in field.to_json().items() if key in ("name", "kinds", *POLICIES)}
            for field in self.predictor.schema.fields.values()
        ]
        about = {"name": name, "version": self.predictor.version, "fields": fields}
        about["scales"] = self.predictor.scales
        return reply(orjson.dumps({**about, "example": example(self.predictor)}))

    def require_name(self, name: str) -> None:
        """Refuses a model that is not served."""
        if name != self.predictor.name:
            known = quote(self.predictor.name)
            raise HTTPException(404, f"a model must be the one served, {known}, however: {quote(name)}")

    async def body(self, request: Request) -> bytes:
        """The body, counted while it comes in, so that nobody can fill the memory."""
        announced = request.headers.get("content-length", "")
        found = bytearray()
        if not announced.isdecimal() or int(announced) <= self.max_bytes:
            async for chunk in request.stream():
                if len(found) + len(chunk) > self.max_bytes:
                    break
                found += chunk
            else:
                return bytes(found)
        raise HTTPException(413, f"a body must have at most {self.max_bytes:,} bytes; send fewer rows at a time")

    def answer(self, body: bytes) -> bytes:
        """The answer's JSON. Raises DataError with what is wrong with the rows."""
        instances, keys = parse(body)
        if len(instances) > MAX_INSTANCES:
            raise HTTPException(413, f"there must be at most {MAX_INSTANCES:,} instances, however: {len(instances):,}")
        try:
            answer = self.predictor.answer(instances)
        except RecursionError:  # a nested cell that is too deep to be shown
            raise too_deep() from None
        rows = answer.rows()
        if keys is not None:
            rows = [{"key": key, **row} for key, row in zip(keys, rows, strict=True)]
        version = self.predictor.version
        return orjson.dumps({"predictions": rows, "warnings": answer.warnings, "model_version": version})


def require_json(request: Request) -> None:
    """Refuses other content types (so that no foreign web page can post without asking) and compressed bodies."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"a body's Content-Type must be application/json, however: {quote(kind)}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":  # a small gzip body may hold gigabytes
        raise HTTPException(415, f"a body must not be compressed, however: Content-Encoding {quote(encoding)}")


async def healthy(request: Request) -> Response:
    """GET: the model was loaded before the port was opened, so whoever is heard is ready."""
    return reply(b'{"status":"ok"}')


async def http_error(request: Request, error: Exception) -> Response:
    """An error of HTTP: path, method, size, type."""
    assert isinstance(error, HTTPException)
    text = error.detail
    if error.status_code == 404 and text == "Not Found":
        text = (
            f"no such path: {quote(request.url.path)}; see /v1/models/NAME:predict, /v1/models/NAME, /v2/health/ready"
        )
    if error.status_code == 405:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        text = f"this path takes {' or '.join(allowed)}, however: {request.method}"
    return reply(failure(text), status=error.status_code, headers=dict(error.headers or {}))


async def data_error(request: Request, error: Exception) -> Response:
    """Rows that cannot be used, in words and for machines."""
    assert isinstance(error, DataError)
    return reply(failure(str(error), problems=error.to_json()), status=400)


async def internal_error(request: Request, error: Exception) -> Response:
    """A mistake of ours; its traceback is in the server's log only."""
    status = 400 if isinstance(error, ClientDisconnect) else 500
    return reply(failure("the server made a mistake; its log tells more"), status=status)


def failure(text: str, **more: Any) -> bytes:
    """An error's JSON; what it quotes may have no UTF-8 and is then escaped."""
    return json.dumps({"error": text, **more}, ensure_ascii=False).encode(errors="backslashreplace")


def reply(content: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON that is there already."""
    return Response(content, status, headers, media_type="application/json")


def example(predictor: Predictor) -> dict[str, Any]:
    """A request that the model answers."""
    return {"instances": [predictor.schema.example]}


def serve(
    folder: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "cpu",
    threads: int = 1,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Serves a model until SIGTERM or Ctrl-C; requests under way are answered first.

    Args:
        folder: the model's, as `export` wrote it.
        host: the address to listen on; 0.0.0.0 is every one, without any check of who asks.
        port: 0 takes a free one.
        device: where the graph runs.
        threads: of torch for one request.
        max_bytes: the longest body.

    Raises:
        ModelError: if the model cannot be loaded.
        ConfigError: if the address cannot be had.
    """
    torch.set_num_threads(threads)
    predictor = Predictor(folder, device=device)
    app = build_app(predictor, max_bytes=max_bytes)
    with listener(host, port) as opened:
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=GRACE,
                server_header=False,
            )
        )

        def stop(*_: object) -> None:
            server.should_exit = True

        # uvicorn raises a signal again once it has closed, which would end the process as if it had been killed
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        print(greeting(predictor, opened), flush=True)
        server.run(sockets=[opened])


def listener(host: str, port: int) -> socket.socket:
    """An open port. Opened here, since uvicorn would log a failure and go on to exit with 1."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"--host and --port must be a free address of this machine, however: {host}:{port}: {error.strerror}"
        ) from None


def greeting(predictor: Predictor, opened: socket.socket) -> str:
    """The address, and a request that works as it stands."""
    host, port = opened.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
    url = shlex.quote(f"{address}/v1/models/{quoted(predictor.name, safe='')}:predict")
    body = shlex.quote(json.dumps(example(predictor)))
    return (
        f"{predictor.name} {predictor.version} at {address}; Ctrl-C ends it. Try:\n"
        f"curl -s {url} -H 'Content-Type: application/json' -d {body}"
    )

"""`/healthz`: the process works. `/readyz`: it does its job, or says what keeps it. `/metrics`: for Prometheus.

Served by the event loop itself: a loop that is stuck does not answer, and that is the truth.
"""

import json
from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from contracts.errors import Misconfigured


class HealthServer:
    """Serves until closed. `problems()` lists what keeps the process from its job; none means ready."""

    def __init__(
        self, registry: CollectorRegistry, problems: Callable[[], Sequence[str]], refresh: Callable[[], None]
    ) -> None:
        self._registry = registry
        self._problems = problems
        self._refresh = refresh
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; port 0 takes a free one. Returns the port. Raises Misconfigured if it cannot be had."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise Misconfigured(
                f"Health and metrics cannot be served on {host}:{port}: {error.strerror}. Another process may have the "
                "port: set SLIDR_METRICS_PORT to a free one, or to 0 for any."
            ) from error
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def _readyz(self, request: web.Request) -> web.Response:
        problems = list(self._problems())
        body = json.dumps({"ready": not problems, "problems": problems})
        return web.Response(text=body, status=503 if problems else 200, content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

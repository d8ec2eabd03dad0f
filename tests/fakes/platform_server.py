"""A platform that is deployed to: it takes calls of deploy hooks and serves one version."""

from tests.fakes.http_server import Answer, HttpServer, Request, json_answer


class PlatformServer(HttpServer):
    """Deploy hooks below ``/deploy/``, the document of the API and ``/health/ready``.

    Args:
        version: The version that answers.
        hook_status: The status of the answer to each call of a hook.
        ready_status: The status of ``/health/ready``.
    """

    def __init__(self, *, version: str, hook_status: int = 200, ready_status: int = 200) -> None:
        super().__init__()
        self.version = version
        self.hook_status = hook_status
        self.ready_status = ready_status
        self.hook_calls: list[tuple[str, str]] = []

    def respond(self, request: Request) -> Answer:
        path, _, _ = request.path.partition("?")
        if path.startswith("/deploy/"):
            self.hook_calls.append((request.method, request.path))
            return json_answer(self.hook_status, {"deploy": {"id": "dep-1"}})
        if path == "/api/schema/":
            return json_answer(200, {"openapi": "3.1.1", "info": {"version": self.version}})
        if path == "/health/ready":
            return json_answer(self.ready_status, {"status": "ok"})
        return Answer(status=404)

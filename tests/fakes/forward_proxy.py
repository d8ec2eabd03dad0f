"""A proxy of a company, through which all calls to the outside have to go."""

from tests.fakes.http_server import Answer, HttpServer, Request


class ForwardProxy(HttpServer):
    """Accepts requests for any host, as a forward proxy does, and answers them itself."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[Request] = []

    def respond(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answer

"""SendGrid's Web API v3 with a latency, made for speed: it accepts every mail and every key.

``python -m tests.benchmarks.sinks.sendgrid --port 8027 --control-port 8028 --latency 0.05``.
"""

from tests.benchmarks.sinks.http import HttpClient, answer, serve

TAKEN = answer("202 Accepted", b"", "X-Message-Id: sink")


class SendGridClient(HttpClient):
    """One connection."""

    def respond(self, request: bytes) -> None:
        self.take(request, TAKEN)


if __name__ == "__main__":
    serve(SendGridClient, __doc__)

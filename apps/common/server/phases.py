"""What a connection can wait for."""

from enum import Enum, auto


class Phase(Enum):
    """What a connection waits for: a request head, a body, a thread or the client."""

    HEAD = auto()
    BODY = auto()
    THREAD = auto()
    # The client is receiving the response.
    TAKING = auto()
    # The response is sent. Further data from the client is read and discarded: if the connection
    # were closed at once, it would be reset and the client might lose the response.
    LINGERING = auto()

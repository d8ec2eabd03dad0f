"""The clock of the purge's rounds."""


class Clock:
    """Seconds that pass only here: ``step`` at each question."""

    def __init__(self, *, step: float = 0.0) -> None:
        self.now = 1000.0
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now

"""How long something has gone on, as measured by what comes: a stretch does not grow while nothing comes."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stretch:
    """From the first of a row of like things to the latest. Owner: one thread; ``length_s`` may be read by any."""

    from_s: float | None = None
    to_s: float = 0.0

    def extend(self, at_s: float) -> None:
        """Another one, at this monotonic second."""
        self.to_s = at_s
        if self.from_s is None:
            self.from_s = at_s

    def end(self) -> None:
        """Something else came: the next one begins a new stretch."""
        self.from_s = None

    @property
    def length_s(self) -> float:
        """Seconds; 0 when there is none."""
        from_s = self.from_s
        return 0.0 if from_s is None else max(0.0, self.to_s - from_s)

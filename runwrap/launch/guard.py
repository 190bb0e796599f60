"""The one guard between the script and us: a part of ours that fails is set aside and told of at the end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Guard:
    """Runs our parts while the script runs, and keeps what failed as notices."""

    def __init__(self) -> None:
        self.notices: list[dict[str, str]] = []

    def __call__(self, part: str, work: Callable[[], object]) -> None:
        """Do some work; a failure becomes a notice."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  # the script must not notice whatever goes wrong in us
            self.note("error", part, f"{type(error).__name__}: {error}")

    def note(self, level: str, part: str, text: str) -> None:
        """Keep a notice, once."""
        notice = {"level": level, "part": part, "text": text}
        if notice not in self.notices:
            self.notices.append(notice)


def in_words(notice: dict[str, str]) -> str:
    """Write a notice as one line for people."""
    return f"{notice['level']}: {notice['part']}: {notice['text']}"

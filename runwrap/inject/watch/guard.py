"""What a watched model does for us may fail; the training goes on."""

from runwrap.inject import channel, finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Guarded:
    """Does its work within hooks; what fails there ends the watching, and is told to the run."""

    told: "frozenset[str]" = frozenset()

    def end(self) -> None:
        """End the watching."""

    def guarded(self, work: "Callable[[], Any]") -> None:
        """Do a part of the work."""
        known = len(finder.failures)
        with finder.Kept("watch"):
            work()
        if len(finder.failures) > known:
            self.tell(f"The watching has ended: {finder.failures.pop()[:300]}")
            with finder.Kept("watch"):
                self.end()

    def tell(self, text: str) -> None:
        """Tell the run what could not be done."""
        channel.say("notice", level="warning", part="watch", text=text)

    def tell_once(self, text: str) -> None:
        """Tell the run what cannot be done at any time."""
        if text not in self.told:
            self.told = self.told | {text}
            self.tell(text)

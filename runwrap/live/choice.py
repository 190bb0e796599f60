"""Which of many charts is chosen, which are pinned, which are searched for, and which of them find room."""

from __future__ import annotations


class Choice:
    """Where one is among charts that stand in rows, `across` of them beside each other."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.chosen = ""
        self.searched = ""
        self.pinned: list[str] = []
        self.across, self.down = 1, 1

    @property
    def place(self) -> int:
        """Return the place of the chosen one; the first, where it is gone."""
        return self.names.index(self.chosen) if self.chosen in self.names else 0

    def offer(self, names: list[str]) -> None:
        """Take what there is to choose from now; the chosen one stays chosen."""
        self.names = names
        self.go_to(self.place)

    def go_to(self, place: int) -> None:
        """Choose by place, the nearest that there is."""
        self.chosen = self.names[max(0, min(len(self.names) - 1, place))] if self.names else ""

    def move(self, across: int, down: int) -> None:
        """Go so many to the right, or so many rows down, as far as there is something."""
        place = self.place + across + down * self.across
        if across or 0 <= place < len(self.names):
            self.go_to(place)

    def page(self, direction: int) -> None:
        """Go on by as many as find room."""
        self.go_to(self.place + direction * self.across * self.down)

    def end(self, direction: int) -> None:
        """Go to the first or to the last."""
        self.go_to(0 if direction < 0 else len(self.names) - 1)

    def pin(self) -> None:
        """Keep the chosen one in front, or let it go."""
        if self.chosen in self.pinned:
            self.pinned.remove(self.chosen)
        elif self.chosen:
            self.pinned.append(self.chosen)

    def window(self) -> tuple[int, list[str]]:
        """Return the place of the first that is shown, and all that are: whole rows, with the chosen one."""
        rows = -(-len(self.names) // self.across)
        first_row = max(0, min(self.place // self.across, rows - self.down))
        first = first_row * self.across
        return first, self.names[first : first + self.across * self.down]

    def about(self) -> str:
        """Say which part of all is shown, and what is searched for."""
        first, shown = self.window()
        last = first + len(shown)
        span = f"{last}" if last == first + 1 else f"{first + 1}-{last}"
        part = f"{span} of {len(self.names)}" if len(shown) < len(self.names) else ""
        return "  ".join(word for word in (part, f"/{self.searched}" if self.searched else "") if word)

"""The settings of the experiment, as the script reads and sets them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Send = Callable[[dict[str, Any]], None]
    Read = Callable[[Any], Any]
    Ask = Callable[[], tuple[dict[str, Any], Any]]

MISSING = object()


class ConfigChangeError(KeyError, ValueError):
    """A setting that has one value was to get another; nothing has changed."""

    def __str__(self) -> str:
        return str(self.args[0])


class Section(dict):  # type: ignore[type-arg]
    """Settings within a setting, which are read as `config.model.layers` too."""

    def __init__(self, items: "dict[str, Any]", change: "Callable[[dict[str, Any]], None]") -> None:
        super().__init__(items)
        super().__setattr__("_change", change)

    def __getitem__(self, key: str) -> "Any":
        return seen(super().__getitem__(key), lambda inner: self._change({key: inner}))

    def get(self, key: str, default: "Any" = None) -> "Any":
        """Return a setting, or the default where there is none."""
        try:
            return self[key]
        except KeyError:
            return default

    def __getattr__(self, name: str) -> "Any":
        if name in self:
            return self[name]
        raise AttributeError(f"config has no {name!r} there; it has: {', '.join(map(str, self))}")

    def __setitem__(self, key: str, value: "Any") -> None:
        self._change({key: value})
        super().__setitem__(key, value)

    __setattr__ = __setitem__

    def update(self, *values: "Any", **more: "Any") -> None:
        """Set several settings. Raises: ConfigChangeError."""
        for key, value in dict(*values, **more).items():
            self[key] = value

    def __reduce__(self) -> "tuple[Any, ...]":
        return dict, (dict(self),)


def seen(value: "Any", change: "Callable[[dict[str, Any]], None]") -> "Any":
    """Return a setting as the script sees it."""
    return Section(value, change) if type(value) is dict else value


def joined(old: "Any", new: "dict[str, Any]") -> "dict[str, Any]":
    """Return settings with others put into them, at any depth."""
    whole = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        inner = whole.get(key)
        whole[key] = joined(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return whole


def leaves_of(values: "Any", path: str) -> "Iterator[tuple[str, Any]]":
    """Return what is not itself settings, by paths."""
    if not isinstance(values, dict):
        yield path, values
        return
    for key, value in values.items():
        yield from leaves_of(value, f"{path}.{key}")


def as_given(source: "Any", mapping_of: "Callable[[Any], Any]") -> "dict[str, Any]":
    """Return the settings that an object has. Raises: TypeError."""
    found = mapping_of(source)
    if found is None:
        raise TypeError(
            "config takes a dict, an argparse.Namespace, a dataclass or another object with items(), "
            f"not a {type(source).__name__}"
        )
    return {str(key): value for key, value in found.items()}


def silent(values: "dict[str, Any]") -> None:
    """Say nothing."""


def same(value: "Any") -> "Any":
    """Return a value as it is."""
    return value


class Config:
    """Settings by name: `config.lr`, `config["lr"]`; a value that was set changes only on purpose.

    What was given to runwrap itself stays, whatever the script sets.
    """

    def __init__(
        self, values: "Any" = None, send: "Send" = silent, plain: "Read" = same, mapping_of: "Read" = same
    ) -> None:
        self.__dict__.update(
            _values=dict(values or {}),
            _stored={},
            _given=set(),
            _of_others=set(),
            _send=send,
            _plain=plain,
            _mapping_of=mapping_of,
            _may_change=False,
            _ask=None,
        )
        self._stored.update((key, plain(value)) for key, value in self._values.items())

    def _know(self) -> None:
        """Learn, when it is first needed, what was given to runwrap."""
        ask = self.__dict__["_ask"]
        if ask is None:
            return
        self.__dict__["_ask"] = None
        values, given = ask()
        self._given.update(values if given is None else given)
        for key, value in values.items():
            if key in self._given or key not in self._stored:
                self._values[key] = self._stored[key] = value
                self._of_others.add(key)

    def update(self, values: "Any" = None, allow_val_change: "bool | None" = None, **more: "Any") -> None:
        """Set settings: of a dict, a Namespace, a dataclass or the like. Raises: ConfigChangeError."""
        found = {} if values is None else as_given(values, self._mapping_of)
        found.update(more)
        self._set(found, self._may_change if allow_val_change is None else allow_val_change)

    def setdefaults(self, values: "Any") -> None:
        """Set those settings that have no value yet."""
        self._know()
        found = as_given(values, self._mapping_of)
        self._set({key: value for key, value in found.items() if key not in self._stored}, may_change=True)

    def setdefault(self, key: str, default: "Any" = None) -> "Any":
        """Return a setting, and set it before if it has no value."""
        if key not in self:
            self[key] = default
        return self[key]

    def _set(self, values: "dict[str, Any]", may_change: bool) -> None:
        self._know()
        stored = {key: self._plain(value) for key, value in values.items()}
        given = {key: stored.pop(key) for key in list(stored) if key in self._given}
        differing = {key: value for key, value in given.items() if self._stored.get(key) != value}
        if differing:
            self._send(differing)  # which the run passes over, and notes
        changed = {key: new for key, new in stored.items() if self._stored.get(key, MISSING) != new}
        if not may_change:
            for key in changed.keys() - self._of_others:  # each rank may have its own
                refuse_change(key, self._stored.get(key, MISSING), changed[key])
        self._keep({key: values[key] for key in stored}, changed)

    def _keep(self, values: "dict[str, Any]", changed: "dict[str, Any]") -> None:
        """Take values over, and say those that are new."""
        self._values.update(values)
        self._stored.update(changed)
        self._of_others.difference_update(values)
        if changed:
            self._send(changed)

    def _join(self, key: str, inner: "dict[str, Any]") -> None:
        """Set a part of a setting. Raises: ConfigChangeError."""
        if key in self._given:
            return
        old = self._stored.get(key)
        new = joined(old, self._plain(inner))
        if not self._may_change and key not in self._of_others:
            after = dict(leaves_of(new, key))
            for path, value in leaves_of(old, key):
                if after.get(path, MISSING) != value:
                    refuse_change(path, value, after.get(path, "a section"))
        self._keep({key: joined(self._values.get(key), inner)}, {} if new == old else {key: new})

    def as_dict(self) -> "dict[str, Any]":
        """Return all settings as a dict."""
        self._know()
        return dict(self._values)

    def _begin(self, ask: "Ask | None", may_change: bool) -> None:
        """Forget all, as another run begins; `ask` tells what its settings are."""
        self.__init__(None, self._send, self._plain, self._mapping_of)  # type: ignore[misc]
        self.__dict__.update(_ask=ask, _may_change=may_change)

    def _allow_changes(self, may_change: bool) -> None:
        self.__dict__["_may_change"] = may_change

    def keys(self) -> "Any":
        """Return the names of all settings."""
        return self.as_dict().keys()

    def values(self) -> "Any":
        """Return the values of all settings."""
        return self.as_dict().values()

    def items(self) -> "Any":
        """Return names and values of all settings."""
        return self.as_dict().items()

    def get(self, key: str, default: "Any" = None) -> "Any":
        """Return a setting, or the default where there is none."""
        try:
            return self[key]
        except KeyError:
            return default

    def __getitem__(self, key: str) -> "Any":
        self._know()
        return seen(self._values[key], lambda inner: self._join(key, inner))

    def __setitem__(self, key: str, value: "Any") -> None:
        self._set({str(key): value}, self._may_change)

    def __getattr__(self, name: str) -> "Any":
        if name[:1] != "_" and name in self:
            return self[name]
        raise AttributeError(f"config has no {name!r}")

    __setattr__ = __setitem__

    def __contains__(self, key: object) -> bool:
        self._know()
        return key in self._values

    def __iter__(self) -> "Iterator[str]":
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())

    def __repr__(self) -> str:
        return str(self.as_dict())

    def __reduce__(self) -> "tuple[Any, ...]":
        return Config, (self.as_dict(),)


def refuse_change(key: str, old: "Any", new: "Any") -> None:
    """Let a setting get its first value only. Raises: ConfigChangeError."""
    if old is not MISSING:
        raise ConfigChangeError(
            f"config[{key!r}] is {old!r} and was to become {new!r}; if that is meant, "
            f"say config.update({{{key!r}: {new!r}}}, allow_val_change=True)"
        )

"""Take the credentials out of the address of a repository or a package."""

from __future__ import annotations


def without_credentials(address: str) -> str:
    """Return an address without user, password, query and fragment; `git@` and `user@host:path` stay.

    Source: the forms of gitremote-helpers(7) and git-clone(1), "GIT URLS".
    """
    address = address.strip()
    helper, mark, rest = address.partition("::")
    if mark and "://" not in helper:
        # `ext::COMMAND` is a command line, which may hold anything.
        return f"{helper}::{without_credentials(rest)}" if "://" in rest else f"{helper}::"
    scheme, mark, rest = address.partition("://")
    if not mark:
        return scp_form(address)
    if not has_plain_port(rest.partition("/")[0]):  # a password with a slash in it
        rest = rest.rpartition("@")[2]
    authority, slash, path = rest.partition("/")
    if scheme != "file":
        path = path.partition("?")[0].partition("#")[0]
    user, _, host = authority.rpartition("@")
    # `git` is the name that everybody has for a server of repositories; any other can be a token.
    return f"{scheme}://{'git@' if user == 'git' else ''}{host}{slash}{path}"


def has_plain_port(authority: str) -> bool:
    """Tell whether what follows the host is a port, not the start of a password."""
    host = authority.rpartition("@")[2]
    port = host.rpartition("]")[2].partition(":")[2]
    return not port or port.isdigit()


def scp_form(address: str) -> str:
    """Keep `user@host:path`; take the password from `user:password@host:path`, which somebody will write."""
    user, mark, rest = address.partition("@")
    if mark and ":" in user and "/" not in user:
        return rest
    return address

#!/bin/sh
# Install the programs that tests run under runwrap, where that is possible; a test skips what is missing.
missing=
for pair in tmux:tmux vim:vim less:less ps:procps script:bsdutils git:git nc:netcat-openbsd perl:perl g++:g++ node:nodejs Rscript:r-base-core; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not here, so some tests will be skipped:$missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null || true
for package in $missing; do # one by one: a name that is unknown here does not stop the others
    timeout 300 apt-get install -y -qq --no-install-recommends "$package" </dev/null >/dev/null ||
        echo "could not install $package; some tests will be skipped" >&2
done
exit 0

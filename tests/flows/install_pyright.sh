#!/usr/bin/env bash
# Installs pyright (npm), which test_typing.py runs beside mypy. Safe to run again; without npm that test skips.
set -u

version=1.1.400
cache="${XDG_CACHE_HOME:-$HOME/.cache}/cas-tests/pyright"

if [ -e "$cache/$version.ok" ]; then
    echo "pyright $version: there"
elif ! command -v npm >/dev/null; then
    echo "pyright: npm is missing" >&2
    exit 1
else
    mkdir -p "$cache"
    npm install --silent --no-audit --no-fund --no-update-notifier --prefix "$cache" "pyright@$version" || exit 1
    touch "$cache/$version.ok"
    echo "pyright $version: installed"
fi

#!/usr/bin/env bash
# Installs the servers that tests/remotes starts and pip does not bring: Azurite (npm) and OpenSSH's sshd (Debian).
# Safe to run again. What cannot be installed here is said on stderr and the tests that need it skip with the reason.
set -u

cache="${XDG_CACHE_HOME:-$HOME/.cache}/cas-tests"
azurite_version=3.37.0
failed=0

if [ -e "$cache/azurite-$azurite_version.ok" ]; then
    echo "azurite $azurite_version: there"
elif command -v npm >/dev/null; then
    mkdir -p "$cache/npm"
    if npm install --silent --no-audit --no-fund --no-update-notifier --prefix "$cache/npm" "azurite@$azurite_version"; then
        touch "$cache/azurite-$azurite_version.ok"
        echo "azurite $azurite_version: installed"
    else
        echo "azurite: npm could not install it" >&2
        failed=1
    fi
else
    echo "azurite: npm is missing" >&2
    failed=1
fi

if [ -x /usr/sbin/sshd ]; then
    echo "sshd: there"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # policy-rc.d keeps the package from starting a server of its own on port 22.
    policy=/usr/sbin/policy-rc.d
    made_policy=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=1
    fi
    if { apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-server; } >/dev/null; then
        echo "sshd: installed"
    else
        echo "sshd: apt-get could not install openssh-server" >&2
        failed=1
    fi
    [ "$made_policy" = 0 ] || rm -f "$policy"
else
    echo "sshd: missing, and only root on a Debian machine can install it" >&2
    failed=1
fi

exit "$failed"

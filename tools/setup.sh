#!/bin/sh
# usage: tools/setup.sh VENV [PYTHON]
# Make sure that the virtual environment VENV holds hypr-neuro (editable), its dependencies and the development
# tools, at the versions of constraints.txt, and that what the usual commands run is compiled. A second call finds
# VENV/.installed and does nothing.
#
# Lava exists for Python 3.10 only. Without PYTHON, a new environment gets Python 3.10 if pyenv, PATH or uv has one,
# else the newest Python from 3.11 on, and Lava stays out.
set -eu
cd "$(dirname "$0")/.."
venv=$1
wanted=${2:-}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

# print a Python of version $1: pyenv's folder first (a shim may refuse to run here), then PATH, then uv
find_version() {
    pyenv_root=$(pyenv root 2>/dev/null || printf '%s' "${PYENV_ROOT:-$HOME/.pyenv}")
    for python in "$pyenv_root/versions/$1"*/bin/python "python$1" python3 python \
        "$(uv python find --system "$1" 2>/dev/null || true)"; do
        if [ -n "$python" ] && [ "$(version "$python")" = "$1" ]; then
            printf '%s\n' "$python"
            return 0
        fi
    done
    return 1
}

find_python() {
    if [ -n "$wanted" ]; then
        if [ -n "$(version "$wanted")" ]; then
            printf '%s\n' "$wanted"
        else
            find_version "${wanted#python}" || die "PYTHON=$wanted: no such Python found by pyenv, on PATH or by uv"
        fi
        return
    fi
    find_version 3.10 && return
    if uv python install --quiet 3.10 >/dev/null 2>&1; then
        find_version 3.10 && return
    fi
    for v in 3.14 3.13 3.12 3.11; do
        find_version $v && return
    done
    die "no Python from 3.10 to 3.14 found by pyenv, on PATH or by uv: install Python 3.10 (best) or 3.12"
}

create() {
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        die "VENV=$venv exists and is no virtual environment: choose another name"
    fi
    python=$(find_python)
    # the interpreter itself, should the name lead into another environment
    python=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    say "creating $venv with Python $(version "$python")"
    rm -rf "$venv"
    if ! message=$("$python" -m venv "$venv" 2>&1); then
        # Debian's Python has no ensurepip unless python3-venv is installed
        rm -rf "$venv"
        uv venv --quiet --seed --python "$python" "$venv" 2>/dev/null ||
            die "$message
$python cannot create a virtual environment: install its venv package (Debian: python3-venv) or uv"
    fi
}

have=$(version "$venv/bin/python")
if [ -n "$wanted" ] && [ -n "$have" ]; then
    asked=$(find_python)
    asked=$(version "$asked")
    [ "$asked" = "$have" ] || die "VENV=$venv holds Python $have, PYTHON=$wanted is $asked: add VENV=.venv-$asked"
fi

stamp="$(pwd) $(cat pyproject.toml constraints.txt tools/setup.sh | cksum)"
if [ -z "$have" ] || [ "$(cat "$venv/.installed" 2>/dev/null)" != "$stamp" ]; then
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || create
    have=$(version "$venv/bin/python")
    say "installing hypr-neuro, its dependencies and the development tools into $venv (minutes the first time)"
    rm -f "$venv/.installed"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' setuptools
    say "compiling what the commands need, once a machine (a minute the first time)"
    "$venv/bin/hypr-neuro" warm --json >/dev/null || say "left out: each command compiles what it needs by itself"
    printf '%s\n' "$stamp" >"$venv/.installed"
fi

if [ "$have" != 3.10 ]; then
    say "$venv: Python $have. The Lava steps are left out: Lava exists for Python 3.10 only."
fi

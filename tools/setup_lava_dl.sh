#!/bin/sh
# usage: tools/setup_lava_dl.sh VENV_DL VENV
# Make sure that the virtual environment VENV_DL holds hypr-neuro (editable), lava-dl, the NIR readers, NeuroBench and pytest, at the versions of
# constraints-lava-dl.txt. It is apart from VENV, which lends it its Python (3.10: lava-dl exists for no other), because
# lava-dl wants other versions and 5.5 GB with them. A second call finds VENV_DL/.installed and does nothing.
set -eu
cd "$(dirname "$0")/.."
venv_dl=$1
python=$2/bin/python

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

have=$(version "$venv_dl/bin/python")
stamp="$(pwd) $(cat pyproject.toml constraints-lava-dl.txt tools/setup_lava_dl.sh | cksum)"
if [ "$have" = 3.10 ] && [ "$(cat "$venv_dl/.installed" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
if [ "$have" != 3.10 ]; then
    [ "$(version "$python")" = 3.10 ] || die "$2 holds Python $(version "$python"), lava-dl needs 3.10: add VENV=.venv-310 PYTHON=python3.10"
    if [ -e "$venv_dl" ] && [ ! -e "$venv_dl/pyvenv.cfg" ]; then
        die "VENV_DL=$venv_dl exists and is no virtual environment: choose another name"
    fi
    base=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    rm -rf "$venv_dl"
    "$base" -m venv "$venv_dl"
fi
say "installing hypr-neuro, lava-dl, NIR readers and pytest into $venv_dl (minutes and 5.5 GB the first time)"
rm -f "$venv_dl/.installed"
"$venv_dl/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints-lava-dl.txt -e '.[lava-dl,nir-readers]' pytest
# what it says that it needs are data sets; its metrics run on what is there
"$venv_dl/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -c constraints-lava-dl.txt neurobench
printf '%s\n' "$stamp" >"$venv_dl/.installed"

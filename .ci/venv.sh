#!/bin/sh
# Makes a virtual environment with the first Python of at least 3.11, at the folder given.
set -eu
folder=$1
[ -x "$folder/bin/python" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1 && exit 0

python=
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed; found: $(python3 --version 2>/dev/null || echo none). Install it, then run make again." >&2
    exit 1
fi

# Debian and Ubuntu split what venv needs into a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq "$package" >/dev/null
    else
        echo "Python's venv is missing. Run: sudo apt-get install $package" >&2
        exit 1
    fi
fi
rm -rf "$folder"
"$python" -m venv "$folder"

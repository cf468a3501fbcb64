#!/bin/sh
# Renews requirements.lock (versions and hashes, no address of any index); `check` says whether it still fits
# pyproject.toml without asking an index for anything newer.
set -eu
bin=.venv/bin
compile() {
    "$bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
        --all-extras --group dev pyproject.toml --output-file "$1"
}
if [ "${1:-}" = check ]; then
    copy=$(mktemp)
    trap 'rm -f "$copy"' EXIT
    cp requirements.lock "$copy"
    compile "$copy"
    diff -u requirements.lock "$copy" || { echo "requirements.lock does not fit pyproject.toml: run make lock" >&2; exit 1; }
else
    compile requirements.lock
fi
if grep -nE 'https?://|file:' requirements.lock; then
    echo "requirements.lock holds an address" >&2
    exit 1
fi

#!/bin/sh
# generate: make the stubs in generated/ from protos/.
# check:    lint the protos, compare them with the released ones, and see that the stubs are those of the protos.
# release:  record the protos as released.
set -eu
bin=.venv/bin
PATH="$PWD/$bin:$PATH"
site=$("$bin/python" -c 'import google.rpc, pathlib; print(pathlib.Path(list(google.rpc.__path__)[0]).parent.parent)')
files=$(cd protos && ls wuzapi_manager/v1/*.proto)

generate() {
    mkdir -p "$1"
    (cd protos && "../$bin/python" -m grpc_tools.protoc -I. -I"$site" --python_out="$1" --grpc_python_out="$1" \
        --mypy_out=quiet:"$1" --mypy_grpc_out=quiet:"$1" $files)
    for folder in wuzapi_manager wuzapi_manager/v1; do
        touch "$1/$folder/py.typed"
    done
    rm -f "$1/wuzapi_manager/v1/py.typed"
    printf '"""Version 1 of the WUZAPI Manager API: generated, never edited."""\n' >"$1/wuzapi_manager/v1/__init__.py"
    printf '"""Generated from protos/, never edited."""\n' >"$1/wuzapi_manager/__init__.py"
}

image() { # image FILE [OPTION]
    (cd protos && "../$bin/python" -m grpc_tools.protoc -I. -I"$site" --include_imports ${2:-} -o "$1" $files)
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case "${1:-}" in
generate)
    rm -rf generated/wuzapi_manager
    generate "$PWD/generated"
    ;;
check)
    image "$scratch/now.binpb" --include_source_info
    buf lint "$scratch/now.binpb" --config protos/buf.json
    if [ -f protos/released.binpb ]; then
        buf breaking "$scratch/now.binpb" --against protos/released.binpb --config protos/buf.json
    fi
    generate "$scratch/generated"
    diff -r --exclude=__pycache__ "$scratch/generated/wuzapi_manager" generated/wuzapi_manager ||
        { echo "generated/ is not what protos/ says: run make proto" >&2; exit 1; }
    ;;
release)
    image "$PWD/protos/released.binpb"
    ;;
*)
    echo "usage: protos.sh generate | check | release" >&2
    exit 2
    ;;
esac

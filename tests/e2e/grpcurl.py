"""Stands in for grpcurl, which is no Python package: takes the options that the READMEs use and runs `buf curl`.

It prints answers and errors as grpcurl does, and ends with its exit codes. `GRPCURL_ADDRESS` replaces the address
given, because tests serve on a free port.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

BUF = Path(sys.executable).with_name("buf")


def main() -> int:
    """Runs one call."""
    parser = argparse.ArgumentParser(prog="grpcurl", allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-H", action="append", default=[], dest="headers")
    parser.add_argument("-d", dest="data")
    parser.add_argument("address")
    parser.add_argument("what")
    options = parser.parse_args()
    target = f"http://{os.environ.get('GRPCURL_ADDRESS', options.address)}"
    command = [str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge"]
    if options.what == "list":
        return subprocess.run([*command, "--list-services", target], check=False).returncode
    for header in options.headers:
        command += ["-H", header]
    if options.data is not None:
        command += ["-d", "@-" if options.data == "@" else options.data]
    done = subprocess.run([*command, f"{target}/{options.what}"], capture_output=True, text=True, check=False)
    for answer in documents(done.stdout):
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    return _failed(done.stderr) if done.returncode else 0


def documents(text: str) -> list[dict[str, object]]:
    """The JSON objects of a text, one after the other; what stands between them is passed over."""
    found = []
    at = text.find("{")
    while at >= 0:
        try:
            document, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            found.append(document)
        at = text.find("{", end)
    return found


def _failed(said: str) -> int:
    errors = documents(said)
    if not errors:
        sys.stderr.write(said)
        return 1
    # Few calls fail, and these take longer to import than a call takes.
    import grpc  # noqa: PLC0415 - see above
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - see above
    from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # noqa: PLC0415 - ships stubs, but no py.typed

    error = errors[0]
    name = str(error["code"])
    lines = [
        "ERROR:",
        f"  Code: {name.title().replace('_', '')}",
        f"  Message: {error.get('message', '')}",
        "  Details:",
    ]
    details = error.get("details", [])
    assert isinstance(details, list)
    for number, detail in enumerate(details, start=1):
        value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
        message = getattr(error_details_pb2, detail["type"].rpartition(".")[2]).FromString(value)
        shown = {"@type": f"type.googleapis.com/{detail['type']}", **MessageToDict(message)}
        lines.append(f"  {number})\t{json.dumps(shown, indent=2, ensure_ascii=False)}")
    sys.stderr.write("\n".join(lines) + "\n")
    return 64 + int(grpc.StatusCode[name.upper()].value[0])


if __name__ == "__main__":
    raise SystemExit(main())

#!/usr/bin/env python3
"""Asks a running mlpipe-serve whatever Schemathesis makes of its own OpenAPI document.

usage: fuzz.py PORT [EXAMPLES]

EXAMPLES requests of each kind to each route (20). No answer of 5xx but 503, and none that is not as the document says.
Exit status: 0 passed, 1 failed, 77 Schemathesis is not installed or older than 4, and the reason is printed.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile

# What each answer is held against. What a request may hold is not among them: that a list has as many numbers as the
# shape beside it says is beyond a JSON Schema.
CHECKS = [
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
]
SECONDS = 240

# Schemathesis's own "not_a_server_error" knows no exception for 503.
ONLY_503 = """
import schemathesis

@schemathesis.check
def no_server_error_but_503(ctx, response, case):
    assert response.status_code < 500 or response.status_code == 503, response.text
"""


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    port, examples = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "20"
    try:
        version = importlib.metadata.version("schemathesis")
    except importlib.metadata.PackageNotFoundError:
        print("schemathesis is not installed")
        return 77
    if int(version.split(".")[0]) < 4:
        print(f"schemathesis {version} is installed, 4 is needed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "hooks.py"), "w", encoding="utf-8") as hooks:
            hooks.write(ONLY_503)
        with open(os.path.join(folder, "schemathesis.toml"), "w", encoding="utf-8") as settings:
            settings.write('[checks.negative_data_rejection]\nexpected-statuses = ["4xx"]\n')  # 413 too
        command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
        command += [f"http://127.0.0.1:{port}/openapi.json", "--phases", "examples,coverage,fuzzing"]
        command += ["--checks", ",".join(CHECKS + ["no_server_error_but_503"]), "--max-examples", examples]
        command += ["--seed", "6", "--generation-database", "none", "--no-color", "--suppress-health-check", "all"]
        command += ["--request-timeout", "30"]
        paths = [folder, os.environ.get("PYTHONPATH", "")]
        environment = dict(os.environ, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=os.pathsep.join(filter(None, paths)))
        return 1 if subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS).returncode else 0


sys.exit(main())

"""Starts a sandbox without limits or faults, and runs schemathesis against it.

Usage: python tests/contract/run.py SCHEMATHESIS [ARGUMENT ...]

The exit status is that of schemathesis. What is given after its path is passed on.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from urllib.request import Request, urlopen

from legitmark_async.sandbox import Sandbox

OPENAPI = Path(__file__).with_name("openapi.yaml")
# All that the API's own host answers.
OPERATIONS = (
    "createServiceRequest",
    "getServiceRequest",
    "findServiceRequest",
    "getServiceRequestProgress",
    "getServiceRequestSideGroups",
    "submitServiceRequest",
    "listCategories",
    "getCategoryTree",
    "getCategory",
    "listCategoryTypes",
    "listTypes",
    "getType",
    "getTypeBrands",
    "listBrands",
    "listModels",
    "getService",
)
# The first dictionaries let operations reach what exists in half of their cases.
# The seed's schema admits an empty reference_id, which the sandbox refuses: valid cases draw from references.
CONFIG = """
[dictionaries]
uuids = {{ values = ["{uuid}"] }}
categories = {{ values = ["cc30b104-7c47-11ef-a623-02595575faeb"] }}
types = {{ values = ["95e42d6b-7c4f-11ef-a623-02595575faeb"] }}
services = {{ values = ["31670fe9-9272-11ef-b98d-06fb0f2a63e5"] }}
identifiers = {{ values = ["{uuid}", "{micro_id}", "{external_id}"] }}
references = {{ values = ["ITEM-2024-0891", "C26010307 Chanel CC Brooch", "a/b?c#d%", "Größe"] }}

[parameters]
"path.sr_uuid" = {{ dictionary = "uuids", probability = 0.5 }}
"query.sr_id" = {{ dictionary = "uuids", probability = 0.5 }}
"path.category_uuid" = {{ dictionary = "categories", probability = 0.5 }}
"path.type_uuid" = {{ dictionary = "types", probability = 0.5 }}
"path.service_uuid" = {{ dictionary = "services", probability = 0.5 }}
"path.identifier" = {{ dictionary = "identifiers", probability = 0.5 }}
"body.reference_id" = {{ dictionary = "references" }}
"""
DRAFT = {
    "reference_id": "known",
    "item": {
        "category": "cc30b104-7c47-11ef-a623-02595575faeb",
        "type": "95e42d6b-7c4f-11ef-a623-02595575faeb",
    },
}


def create(sandbox: Sandbox) -> dict[str, str]:
    """Creates the service request that get and find are to meet."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
    request = Request(f"{sandbox.url}/api/v2/sr", json.dumps(DRAFT).encode(), headers)  # noqa: S310  # loopback
    with urlopen(request) as response:  # noqa: S310  # loopback
        sr: dict[str, str] = json.load(response)["sr"]
    return sr


async def main(schemathesis: str, *arguments: str) -> int:
    """Runs it in a scratch folder, with the sandbox in this process."""
    async with Sandbox() as sandbox:
        known = await asyncio.to_thread(create, sandbox)
        with tempfile.TemporaryDirectory() as folder:
            process = await asyncio.create_subprocess_exec(
                schemathesis,
                f"--config-file={write_config(folder, known)}",
                "run",
                str(OPENAPI.resolve()),
                f"--url={sandbox.url}",
                f"--header=Authorization: Bearer {sandbox.api_key}",
                *(f"--include-operation-id={operation}" for operation in OPERATIONS),
                *arguments,
                cwd=folder,
            )
            return await process.wait()


def write_config(folder: str, known: dict[str, str]) -> Path:
    """Writes the configuration of schemathesis, and gives its path."""
    config = Path(folder, "schemathesis.toml")
    config.write_text(CONFIG.format_map(known), encoding="utf-8")
    return config


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(*sys.argv[1:])))

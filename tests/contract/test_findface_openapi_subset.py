"""The part of FindFace Multi's own OpenAPI description that vigia uses, and how it was cut out.

The whole description is 786 KB, comes with every server (``/swagger.json``) and is not part of the project. To cut the
subset out again, from a newer server say:

    python tests/contract/test_findface_openapi_subset.py path/to/openapi.json

Nothing in the subset is changed: operations, parameters and properties are kept word for word or left out.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

SUBSET_PATH = Path(__file__).with_name("findface_openapi_subset.json")
MAX_SUBSET_BYTES = 150_000
OPERATIONS = {
    "/auth/login/": ("post",),
    "/auth/logout/": ("post",),
    "/camera-groups/": ("get", "post"),
    "/camera-groups/{id}/": ("get", "patch", "delete"),
    "/cameras/": ("get", "post"),
    "/cameras/{id}/": ("get", "patch", "delete"),
    "/events/faces/": ("get",),
    "/events/faces/add/": ("post",),
    "/events/faces/{id}/": ("get",),
}
PARAMETERS = {
    "/camera-groups/": {
        *("created_date_gt", "created_date_gte", "created_date_lt", "created_date_lte"),
        *("id_in", "limit", "ordering"),
    },
    "/cameras/": {
        *("created_date_gt", "created_date_gte", "created_date_lt", "created_date_lte"),
        *("active", "camera_groups", "external_detector", "id_in", "limit", "name_contains", "ordering", "page"),
    },
    "/events/faces/": {
        *("camera_groups", "cameras", "created_date_gte", "created_date_lte", "external_detector"),
        *("id", "id_gte", "id_in", "id_lte", "limit", "ordering", "page"),
    },
}
# Settings of FindFace's own video workers and of its VMS: an external detector has no use for them.
LEFT_OUT_PROPERTIES = {
    *("stream_settings", "vms_cleanup_settings", "router_url"),
    *("onvif_camera", "external_vms", "external_vms_camera_id"),
}
_REFERENCE = re.compile(r'"#/components/schemas/([A-Za-z0-9_]+)"')


def extract(full: dict[str, Any]) -> dict[str, Any]:
    """Cut out the operations of ``OPERATIONS`` and the schemas they need."""
    paths: dict[str, Any] = {}
    for path, methods in OPERATIONS.items():
        paths[path] = {}
        for method in methods:
            operation = dict(full["paths"][path][method])
            if method == "get" and path in PARAMETERS:
                operation["parameters"] = [p for p in operation["parameters"] if p["name"] in PARAMETERS[path]]
            paths[path][method] = operation
    schemas: dict[str, Any] = {}
    waiting = referenced(paths)
    while waiting:
        name = waiting.pop()
        schema = dict(full["components"]["schemas"][name])
        if "properties" in schema:
            kept = {key: value for key, value in schema["properties"].items() if key not in LEFT_OUT_PROPERTIES}
            schema["properties"] = kept
        schemas[name] = schema
        waiting |= referenced(schema) - schemas.keys()
    return {
        "openapi": full["openapi"],
        "info": full["info"],
        "paths": paths,
        "components": {
            "securitySchemes": full["components"]["securitySchemes"],
            "schemas": dict(sorted(schemas.items())),
        },
    }


def referenced(part: object) -> set[str]:
    """Names of the schemas that a part of the description refers to."""
    return set(_REFERENCE.findall(json.dumps(part)))


def load_subset() -> dict[str, Any]:
    """The subset as it is in the repository."""
    subset: dict[str, Any] = json.loads(SUBSET_PATH.read_text(encoding="utf-8"))
    return subset


def test_the_subset_is_what_the_extraction_makes_of_it() -> None:
    assert extract(load_subset()) == load_subset()


def test_every_reference_in_the_subset_resolves_and_no_schema_is_left_over() -> None:
    subset = load_subset()
    assert referenced(subset) == set(subset["components"]["schemas"])


def test_the_subset_has_every_call_and_filter_that_vigia_relies_on() -> None:
    subset = load_subset()
    assert {path: tuple(methods) for path, methods in subset["paths"].items()} == OPERATIONS
    for path, names in PARAMETERS.items():
        assert {p["name"] for p in subset["paths"][path]["get"]["parameters"]} == names


def test_the_subset_stays_small() -> None:
    assert SUBSET_PATH.stat().st_size < MAX_SUBSET_BYTES


def main(source: Path) -> None:
    """Write the subset of a whole description."""
    full = json.loads(source.read_text(encoding="utf-8"))
    SUBSET_PATH.write_text(json.dumps(extract(full), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

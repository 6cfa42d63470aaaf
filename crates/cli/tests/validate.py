"""Validates a JSON file against a schema: validate.py SCHEMAS_FOLDER SCHEMA INSTANCE."""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

folder, schema, instance = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
schemas = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
registry = Registry().with_resources((name, Resource.from_contents(text)) for name, text in schemas.items())
validator = Draft202012Validator(schemas[schema], registry=registry)
problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.loads(instance.read_text()))]
sys.exit("\n".join(problems) or 0)

# The contributor's whole interface.

# Install everything, pinned, into .venv
setup:
    python3.11 -m venv .venv
    .venv/bin/pip install --quiet --require-hashes -r requirements-dev.lock
    .venv/bin/pip install --quiet --no-deps --editable .

# Run the tests
test *args:
    .venv/bin/pytest {{args}}

# Check style, types and architecture
lint:
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    .venv/bin/lint-imports

# Watch the gateway work, without keys
demo:
    .venv/bin/gateway demo

# Regenerate the documents that are made from code
docs:
    .venv/bin/python -m tools.docs

# Try every client and write the table of what they get through
compatibility:
    .venv/bin/pytest -q -n 2 tests/e2e/clients -k test_client --write-table

# Renew the lock files (versions and hashes only)
lock:
    .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o requirements.lock
    .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --extra train --extra parquet --group dev -o requirements-dev.lock

# Measure how much of the pure set its tests reach (PyYAML first: coverage would load it twice)
coverage:
    .venv/bin/python -c 'import sys, yaml, pytest; sys.exit(pytest.main(["-q", "--cov=policies", "--cov-branch", "--cov-fail-under=95", "tests/policies", "tests/properties"]))'

# Measure what a request costs, beside bare aiohttp and nginx where it is installed; draw the curves
bench *args:
    .venv/bin/python -m benchmarks.serving --plots docs/plots {{args}}

# make run   everything in development: PostgreSQL, migrations, demo data, web, worker
# make test  the whole suite            make check  what can be known without running it
# make prove the long proofs            make bench  the speeds
#
# The environment is .venv, made from the exact versions in constraints.txt; a second call installs nothing.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST_ARGS ?= -n auto --dist loadgroup

# Tests have a PostgreSQL of their own, which need not survive a power cut.
FOR_TESTS = DATAXPIPE_DATA_DIR="$${DATAXPIPE_DATA_DIR:-var}/test" DATAXPIPE_EMBEDDED_DURABLE=false
FOR_DEVELOPMENT = DEBUG="$${DEBUG:-true}"

.PHONY: run test check prove bench browser redis constraints clean

run: .venv/run.stamp
	@exec env $(FOR_DEVELOPMENT) .venv/bin/python manage.py run

test: .venv/test.stamp browser redis
	@$(FOR_TESTS) .venv/bin/python -m pytest -q $(PYTEST_ARGS)

prove: .venv/test.stamp browser redis
	@$(FOR_TESTS) .venv/bin/python -m pytest -q -m prove $(PYTEST_ARGS)

# Its PostgreSQL is durable and the web process that of production; BENCH_ARGS=--quick takes less than a minute.
bench: .venv/test.stamp
	@.venv/bin/python -m tests.bench $(BENCH_ARGS)

check: .venv/test.stamp
	.venv/bin/python -m ruff check
	.venv/bin/python -m ruff format --check
	@$(FOR_DEVELOPMENT) .venv/bin/python -m mypy
	.venv/bin/python -m djlint templates --check --lint
	.venv/bin/lint-imports
	@$(FOR_TESTS) $(FOR_DEVELOPMENT) .venv/bin/python manage.py makemigrations --check --dry-run
	@$(FOR_TESTS) $(FOR_DEVELOPMENT) .venv/bin/python manage.py check --fail-level WARNING

browser:
	@sh .ci/need chromium chromium chromium-browser google-chrome

redis:
	@sh .ci/need redis-server redis-server

.venv/run.stamp: pyproject.toml constraints.txt
	@sh .ci/install "$(PYTHON)" run

.venv/test.stamp: pyproject.toml constraints.txt
	@sh .ci/install "$(PYTHON)" test

# The newest versions that pyproject.toml allows.
constraints:
	@sh .ci/constrain "$(PYTHON)"

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

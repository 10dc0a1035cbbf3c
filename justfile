# For people who use just (https://just.systems); each line can be typed by hand as well.

# What there is
default:
    @just --list

# Keyward with a database of its own and nothing to configure
dev *arguments:
    cargo run -- dev {{ arguments }}

# The tests, or those whose name contains FILTER
test *filter:
    cargo test --locked {{ filter }}

# Everything that a change must pass
ci:
    scripts/check.sh

# Some of it: fmt, spelling, lint, docs, dependencies, package, fuzz, sqlx, test, contract
check *steps:
    scripts/check.sh {{ steps }}

# Write .sqlx anew, after a change to a query or a migration
sqlx:
    scripts/sqlx-prepare.sh

# All checks of schemathesis against the OpenAPI document; --short for what the CI does
schemathesis *options:
    scripts/schemathesis.sh {{ options }}

# Traefik and Envoy for the tests of gateways, below target
gateways:
    scripts/gateways.sh

# A PgBouncer for the tests of poolers, below target
pgbouncer:
    scripts/pgbouncer.sh

# A client generated from the OpenAPI document makes, verifies and revokes a key
generated-client:
    scripts/generated-client.sh

# The pictures of the dashboards anew, with data
dashboards:
    scripts/dashboards.sh

# The container image
image:
    docker build -t keyward:local .

# The compose file with three replicas, for real
containers:
    tests/containers.sh

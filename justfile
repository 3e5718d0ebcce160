# What a developer types; `just` lists it.

default:
    @just --list

# The tests, as the README says
test:
    cargo test --workspace

# Everything that CI does
ci:
    .ci/run

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Kill a real process at every crash point
crash:
    cargo test --features kaizen-cli/crash-points --test crash

demo:
    cargo run --release -- demo --yes --dir "$(mktemp -d)/demo"

# Licences, advisories, duplicates
deny:
    cargo deny check

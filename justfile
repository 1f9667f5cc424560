# The tasks of CONTRIBUTING.md by name; `just` lists them. https://just.systems

[private]
default:
    @just --list --unsorted

# Serve the example shop: every save shows in the browser
dev:
    cargo run --release -- dev examples/site

# Run all tests and documentation examples
test *arguments:
    cargo test {{ arguments }}

# Run the integration tests of one crate that match a filter: `just it hotplate-actors promises::`
it package filter="":
    cargo test --package {{ package }} --test it -- {{ filter }}

# Format
format:
    cargo fmt --all

# Check format, lints and documentation
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

# What to run before a pull request
check: lint test

# Everything that decides whether a change lands (up to 45 minutes on two processors)
ci:
    bash .ci/run

# Build the documentation as docs.rs does (needs a nightly toolchain)
docs:
    RUSTDOCFLAGS='--cfg docsrs -D warnings' cargo +nightly doc --no-deps --all-features --package hotplate --package hotplate-actors

# Fuzz one target: `scan`, `execute`, `jinja` or `jinja_execute` (needs a nightly toolchain and cargo-fuzz)
fuzz target *arguments:
    cd fuzz && cargo +nightly fuzz run {{ target }} -- {{ arguments }}

# Run one benchmark, such as `render`, `reload` or `http`
bench name:
    cd benches && cargo run --release --bin {{ name }}

# Check licences, sources and advisories of dependencies (needs cargo-deny)
deny:
    cargo deny check

# Draw the pictures of the README again (needs Chromium)
pictures:
    HOTPLATE_PICTURES=docs cargo test --package hotplate --features cli --test it -- --ignored readme

# Build the binary that is distributed: less processor time for each answer, longer to build
dist:
    cargo build --profile dist

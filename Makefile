# SPDX-License-Identifier: BSD-2-Clause
# Short names for what meson does. `make demo` and `make test` are enough on a fresh Debian 12 or 13
# as root: they install what is missing (dist/packages), build in ./build and run.

BUILD ?= build
PYTHON := /usr/bin/python3
SOURCES := $(shell git ls-files '*.c' '*.h')

all: build

packages:
	dist/install-packages build

test-packages:
	dist/install-packages build test

$(BUILD)/build.ninja: | packages
	meson setup $(BUILD)

build: packages $(BUILD)/build.ninja
	meson compile -C $(BUILD)

demo: test-packages build
	PEERLANE_BUILD=$(BUILD) $(PYTHON) tests/lab/demo.py

test: test-packages build
	meson test -C $(BUILD) --print-errorlogs

# The same tests under sanitizers, each in a build of its own; the lab tests need the plain one.
SANITIZED = meson test --print-errorlogs --no-suite lab

build-asan/build.ninja: | packages
	meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false

build-tsan/build.ninja: | packages
	meson setup build-tsan -Db_sanitize=thread -Db_lundef=false

build-ownership/build.ninja: | packages
	meson setup build-ownership -Downership=true

sanitize: build-asan/build.ninja build-tsan/build.ninja build-ownership/build.ninja
	$(SANITIZED) -C build-asan
	$(SANITIZED) -C build-tsan
	$(SANITIZED) -C build-ownership

build-release/build.ninja: | packages
	meson setup build-release --buildtype=release

bench: build-release/build.ninja
	dist/install-packages build test bench
	meson compile -C build-release
	bench/net/bench.py $(BENCH_ARGS)

install: build
	meson install -C $(BUILD)

format:
	clang-format -i $(SOURCES)

check-format:
	clang-format --dry-run --Werror $(SOURCES)

clean:
	rm -rf $(BUILD) build-asan build-tsan build-ownership build-release

.PHONY: all packages test-packages build demo test sanitize bench install format check-format clean

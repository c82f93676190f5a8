# SPDX-License-Identifier: BSD-2-Clause
# Short names for what meson does. `make demo` and `make test` are enough on a fresh Debian 12 or 13
# as root: they install what is missing (dist/packages), build in ./build and run.

BUILD ?= build
PYTHON := /usr/bin/python3
# Half of the tests wait for what time brings: more of them at a time than there are processors.
TEST_JOBS ?= $(shell echo $$((2 * $$(nproc))))
# Limits end what hangs: they are for quick machines, and others have three times as long.
MESON_TEST = meson test --print-errorlogs --num-processes $(TEST_JOBS) --timeout-multiplier
# Expanded where it is used only: the formatting targets.
SOURCES = $(shell git ls-files '*.c' '*.h')

# Steps install packages and configure builds: under -j too, one after the other. Ninja is parallel.
.NOTPARALLEL:


all: build

packages:
	dist/install-packages build

demo-packages:
	dist/install-packages build demo

test-packages:
	dist/install-packages build demo test

$(BUILD)/build.ninja: | packages
	meson setup $(BUILD)

build: packages $(BUILD)/build.ninja
	meson compile -C $(BUILD)

demo: demo-packages build
	PEERLANE_BUILD=$(BUILD) $(PYTHON) tests/lab/demo.py

# All, or those named:
#   make test TESTS="forward kill"
test: test-packages build
	$(MESON_TEST) 3 -C $(BUILD) $(TESTS)

vm-packages:
	dist/install-packages build vm

# In virtual machines: the kernel module, vfio, and NICs' drivers on QEMU's NICs (tests/vm/README.md).
#   make test-vm VM_ARGS="kmod --only ping"
test-vm: vm-packages build
	tests/vm/run --build $(BUILD) $(VM_ARGS)

# The same tests under sanitizers, each in a build of its own; the lab tests need the plain one. With
# addresses the owners of buffers are checked; races are looked for where there are threads.
# A finding ends the test that has it; tests are slower there, and may be.
SANITIZED = \
	ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1 \
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
	$(MESON_TEST) 6

# Less optimised, and with line numbers alone for debuggers: gcc takes twice as long to compile it otherwise.
build-asan/build.ninja: | packages
	meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false -Downership=true \
		-Doptimization=1 -Dc_args=-g1

build-tsan/build.ninja: | packages
	meson setup build-tsan -Db_sanitize=thread -Db_lundef=false

sanitize-addresses: build-asan/build.ninja
	$(SANITIZED) -C build-asan --no-suite lab

sanitize-threads: build-tsan/build.ninja
	$(SANITIZED) -C build-tsan --suite threads --num-processes $$(nproc) # several threads each

# Both, whatever the first has found.
sanitize:
	$(MAKE) --keep-going sanitize-addresses sanitize-threads

# Hunts for inputs that break something; what is found is kept in fuzz-work (tests/fuzz/README.md).
#   make fuzz FUZZ_SECONDS=60 FUZZ_TARGETS="program replica"
FUZZ_SECONDS = 600
FUZZ_SEED = 0

fuzz-packages:
	dist/install-packages build fuzz

build-fuzz/build.ninja: | fuzz-packages
	CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false

fuzz: fuzz-packages build-fuzz/build.ninja
	meson compile -C build-fuzz fuzz-targets
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=$(FUZZ_SEED) tests/fuzz/run build-fuzz $(FUZZ_TARGETS)

build-release/build.ninja: | packages
	meson setup build-release --buildtype=release

release: build-release/build.ninja
	meson compile -C build-release

bench-packages:
	dist/install-packages build demo test bench

# Route tables beside DPDK's, the driver of NICs on emulated ones, accelerators, whichever are there, then
# the router beside others. For the routes of a file, all in one run:
#   make bench FIB_ARGS="--routes prefixes.txt"
bench: bench-packages build-release/build.ninja
	meson configure build-release -Ddpdk=enabled
	meson compile -C build-release
	build-release/bench/fib/fib --bars --json build-release/fib.json $(FIB_ARGS)
	bench/fib/plot.py build-release/fib.json build-release/fib.svg
	build-release/bench/nic/nic
	build-release/bench/accel/accel --json build-release/accel.json $(ACCEL_ARGS)
	bench/net/senders.py
	bench/net/bench.py $(BENCH_ARGS)

# What the report of 2015 measured, on emulated NICs and on veth interfaces, beside others (docs/evaluation); more than
# an hour.
# A few minutes, into build-release/evaluation:
#   make eval QUICK=1
# On NICs that are there, cabled to two interfaces of this machine (bench/eval/README.md), into
# build-release/evaluation-dut:
#   make eval DUT="pci:0000:03:00.0 pci:0000:03:00.1" INTERFACES="enp4s0f0 enp4s0f1"
EVAL_TARGETS = router/control/peerlaned cli/peerlane bench/gen/peerlane-gen bench/net/flood bench/net/sink \
	bench/net/fib.bpf.o bench/routes/routes bench/loop bench/gen/echo tests/lab/wire_tap
eval: bench-packages build-release/build.ninja
	ninja -C build-release $(EVAL_TARGETS)
	bench/eval/eval.py $(if $(QUICK),--quick) $(if $(DUT),--dut $(DUT) --interfaces $(INTERFACES)) $(EVAL_ARGS)

# What the benchmarks and measuring tests print, into docs/measurements: some ten minutes.
#   make measurements ONLY="loop nic"
#   make measurements ALL=1
measurements: bench-packages build-release/build.ninja
	meson configure build-release -Ddpdk=enabled
	meson compile -C build-release
	bench/record/record.py $(if $(ONLY),--only $(ONLY)) $(if $(ALL),--all)

# The working tree's benchmarks beside those of an earlier commit, in turns, with the noise of this machine:
#   make bench-compare BASE=HEAD~1
#   make bench-compare BASE=v0.3 ONLY="loop fib" PAIRS=15 FAIL=1 JSON=compare.json
bench-compare: packages
	@test -n "$(BASE)" || { echo "make bench-compare BASE=COMMIT: a commit to compare with" >&2; exit 2; }
	$(PYTHON) bench/compare/compare.py "$(BASE)" $(if $(PAIRS),--pairs $(PAIRS)) $(if $(ONLY),--only $(ONLY)) \
		$(if $(JSON),--json "$(JSON)") $(if $(FAIL),--fail)

# Peerlane beside the kernel's router, frame by frame, until stopped; for instance
#   make differ DIFFER_ARGS="--seed 7 --count 10000000"
DIFFER_ARGS ?= --seed $(shell date +%s) --seconds 86400
differ: release
	dist/install-packages build demo
	PEERLANE_BUILD=build-release $(PYTHON) tests/lab/twins.py $(DIFFER_ARGS)

install: build
	meson install -C $(BUILD)

format:
	clang-format -i $(SOURCES)

check-format:
	clang-format --dry-run --Werror $(SOURCES)
	bench/record/record.py --check
	bench/eval/eval.py --check

clean:
	rm -rf $(BUILD) build-asan build-tsan build-clang build-fuzz build-release

.PHONY: all packages demo-packages test-packages vm-packages fuzz-packages bench-packages build demo test test-vm \
	sanitize sanitize-addresses sanitize-threads fuzz release \
	bench bench-compare eval measurements differ install format check-format clean

# A few plain targets; `make help` lists them.
JOBS := $(shell nproc)
SOURCES = $(shell git ls-files '*.cpp' '*.hpp')

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 25

demo: build  ## install what is missing, build, and bring examples/digits to serve
	build/release/bin/mlpipe run examples/digits/pipeline.yaml

test: build  ## build and run every test that needs no container engine and no cluster
	ctest --preset release --label-exclude 'containers|cluster' --parallel $(JOBS) $(CTEST_FLAGS)

test-containers: build  ## run the tests that need docker or podman; they build the images, which takes a while
	scripts/install-deps --containers
	ctest --preset release --label-regex containers $(CTEST_FLAGS)

test-cluster:  ## run the tests that need Kubernetes, on the cluster of the current kubeconfig context, after asking
	tests/cluster/ask
	$(MAKE) build
	scripts/install-deps --cluster
	MLPIPE_TEST_CLUSTER=1 ctest --preset release --label-regex cluster --parallel 2 $(CTEST_FLAGS)

build: deps  ## everything, into build/release
	cmake --preset release
	cmake --build --preset release --parallel $(JOBS)

deps:
	scripts/install-deps

asan: deps  ## build everything with AddressSanitizer and UBSan into build/asan, and run every test
	$(call sanitized,asan)

tsan: deps  ## the same with ThreadSanitizer, into build/tsan
	$(call sanitized,tsan)

define sanitized
cmake --preset $(1)
cmake --build --preset $(1) --parallel $(JOBS)
ctest --preset $(1) --parallel $(JOBS) $(CTEST_FLAGS)
endef

bench: build  ## run every benchmark in bench/
	@for script in bench/*; do if [ -f "$$script" ] && [ -x "$$script" ]; then echo "== $$script"; "$$script" || exit 1; fi; done

fuzz: deps  ## look for bytes that break the readers, for a minute each
	scripts/install-deps --fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz --parallel $(JOBS)
	tests/fuzz/run build/fuzz $(or $(FUZZ_SECONDS),60)

format:  ## rewrite the sources in the project's format
	scripts/install-deps --lint
	clang-format -i $(SOURCES)

lint: build  ## formatting, clang-tidy and shellcheck; every finding is an error
	scripts/install-deps --lint
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck scripts/install-deps scripts/install-libtorch containers/collect-runtime .ci/run tests/cluster/ask tests/fuzz/run
	git ls-files '*.cpp' | xargs -n 1 -P $(JOBS) clang-tidy --quiet -p build/release --extra-arg=-Wno-unknown-warning-option

install: build  ## programs into PREFIX/bin: make install PREFIX=dir
	cmake --install build/release --prefix '$(or $(PREFIX),$(error say where: make install PREFIX=dir))'

clean:  ## remove everything that was built
	rm -rf build

.PHONY: help demo test test-containers test-cluster build deps asan tsan bench fuzz format lint install clean

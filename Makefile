# A few plain targets; `make help` lists them.
JOBS := $(shell nproc)
SOURCES = $(shell git ls-files '*.cpp' '*.hpp')

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 25

demo: build  ## install what is missing, build, and bring examples/digits to serve
	build/release/bin/mlpipe run examples/digits/pipeline.yaml

test: build  ## build and run every test that needs no container engine
	ctest --preset release --label-exclude containers --parallel $(JOBS) $(CTEST_FLAGS)

test-containers: build  ## run the tests that need docker or podman; they build the images, which takes a while
	scripts/install-deps --containers
	ctest --preset release --label-regex containers $(CTEST_FLAGS)

build: deps  ## everything, into build/release
	cmake --preset release
	cmake --build --preset release --parallel $(JOBS)

deps:
	scripts/install-deps

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
	shellcheck scripts/install-deps scripts/install-libtorch containers/collect-runtime .ci/run tests/fuzz/run
	git ls-files '*.cpp' | xargs -n 1 -P $(JOBS) clang-tidy --quiet -p build/release --extra-arg=-Wno-unknown-warning-option

install: build  ## programs into PREFIX/bin: make install PREFIX=dir
	cmake --install build/release --prefix '$(or $(PREFIX),$(error say where: make install PREFIX=dir))'

clean:  ## remove everything that was built
	rm -rf build

.PHONY: help demo test test-containers build deps bench fuzz format lint install clean

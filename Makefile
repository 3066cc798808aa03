# Everything a clone needs. Each target does its own set-up on a Debian 12 with Swift installed.
#
#   make serve [ARGS="--port 9000"]   build, then serve the bundled model
#   make test                         build, then run every test
#   make test-aarch64                 run the kernels for ARM under an emulator
#   make fuzz                         a million mutated inputs to each parser of requests
#   make build                        build the program only: .build/release/hadal
#   make format                       bring the sources into the project's form

.PHONY: serve test test-aarch64 fuzz build format setup setup-tests

serve: build
	.build/release/hadal serve $(ARGS)

build: setup
	swift build -c release --product hadal

# The official OpenAI client is a peer of record, not a dependency: it lives in .build.
test: setup-tests .build/venv/installed
	swift build -c release --build-tests
	swift test -c release --skip-build
	HADAL=.build/release/hadal .build/venv/bin/python -m unittest discover -s Tests/Clients -v

test-aarch64:
	deploy/setup.sh aarch64
	Tests/CKernelsCross/run.sh

fuzz: setup
	HADAL_FUZZ_INPUTS=1000000 swift test -c release --filter Mutated

.build/venv/installed: Tests/Clients/requirements.txt | setup-tests
	python3 -m venv .build/venv
	.build/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

format:
	swift format -i -r Sources Tests Package.swift

setup:
	deploy/setup.sh

setup-tests:
	deploy/setup.sh tests

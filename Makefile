# `make demo` and `make test` are complete on a machine with a Rust toolchain and root or sudo,
# which is used for installing packages only. `make help` lists the rest.

CARGO ?= cargo
BINARY := target/release/imgfile

.DEFAULT_GOAL := help
.PHONY: help needs build demo test test-long test-vscode catalog-test bench lint install clean

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

needs: ## Install what imgfile needs on this host (QEMU, mmdebstrap…)
	@scripts/install-host-needs

build: ## Build the release binary
	$(CARGO) build --release --locked

demo: needs build ## Build examples/web as an ordinary user, boot it, print the page it serves
	@scripts/demo $(BINARY)

test: ## Run every test, those that build and boot real machines included
	@CARGO="$(CARGO)" scripts/test
	@if [ "$$(id -u)" = 0 ]; then CARGO="$(CARGO)" scripts/test --as-root; fi
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory test-vscode; \
		else echo "no npm here: the extension's own tests (make test-vscode) were left out"; fi

test-vscode: ## Test the extension for Visual Studio Code and pack it (needs npm)
	@cd editors/vscode && npm ci --no-audit --no-fund --loglevel=error && npm test && npm run package

test-long: needs ## Run the tests that `make test` leaves out since each takes minutes
	@CARGO="$(CARGO)" scripts/test --long

test-clouds: needs ## Publish to services, and capture from libvirt, that are installed and started here (docs/publish.md)
	@CARGO="$(CARGO)" scripts/test --clouds

catalog-test: needs ## Build and verify every application of the catalogue, and write docs/catalogue-tests.md
	$(CARGO) test --locked --test packages --test machine -- --ignored --nocapture catalogue:: instances::

bench: build ## Measure the resolver and the lock (release build)
	$(CARGO) bench --locked --bench resolve
	benches/lock $(BINARY)

lint: ## Formatting, clippy and the licences of dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; fi

install: ## Install the binary into cargo's folder, manual pages and completions into yours
	$(CARGO) install --path . --locked
	imgfile man
	imgfile completions bash --install
	imgfile completions zsh --install
	imgfile completions fish --install

clean: ## Remove build products; the store (~/.cache/imgfile) stays
	$(CARGO) clean

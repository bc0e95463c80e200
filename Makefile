# The commands of this house. `make test` is what must pass before a change lands.
.PHONY: test need check generate bench crash soak demo

export CGO_ENABLED := 0

test: need check
	go test -timeout 14m ./...

need:
	@scripts/need

check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	go vet ./...

# The page templates and what is made from them are both in the tree.
generate:
	go tool templ generate -path edge

# Figures, each beside its yardstick in the same run; no timed tests.
bench:
	@scripts/need bench
	scripts/with-postgres go run ./cmd/surety bench all
	go run ./cmd/surety bench versus

# kill -9 and lost pages at random points of the pay-out, everybody paid once.
crash:
	go run ./cmd/surety crash --rounds 200
	go run ./cmd/surety crash --rounds 40 --power
	scripts/with-postgres go run ./cmd/surety crash --rounds 40

# Long random lives against the independent auditor.
soak:
	go run ./cmd/surety sim --runs 1000

demo:
	go run ./cmd/surety demo

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"surety/kernel/ident"
)

// BurstFigures compare forty payments at once with forty one by one.
type BurstFigures struct {
	SequentialPassed int   `json:"sequential_passed"`
	ParallelPassed   int   `json:"parallel_passed"`
	Rounds           int   `json:"rounds"`
	EveryRound       []int `json:"parallel_passed_each_round"`
	Payments         int   `json:"payments"`
}

// Tell writes the figures for people.
func (f BurstFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "burst: of %d payments of a new payer against \"more than 5 payees or more than 10 payments in 24 h -> hold\"\n"+
		"  %d pass one by one; %v pass in parallel, %d rounds\n", f.Payments, f.SequentialPassed, f.EveryRound, f.Rounds)
}

// burstPack is the rule of the comparison and nothing else.
const burstPack = `pack: {name: burst, number: 1, effective_from: 2013-01-01}
currency: CNY
utc_offset_minutes: 480
degraded: {challenge_from: 100000}
entities:
  payer: {key: [payer]}
features:
  - {name: payer.count, kind: count, entity: payer, windows: [1d], zh: 24小时笔数, en: payments in 24 hours}
  - {name: payer.payees, kind: distinct, of: payee, entity: payer, windows: [1d], zh: 24小时收款方数, en: payees in 24 hours}
rules:
  - id: burst
    owner: bench
    priority: 50
    mode: live
    when: payer.payees_1d > 5 || payer.count_1d > 10
    outcome: hold
    score: 700
    reason: {zh: 一天内付款过多, en: too many payments in a day}
    proofs: [face]
`

// Burst sends forty payments of a payer never seen before over HTTP, one by one,
// then forty of another at the same time, in several rounds. The parallel figure
// is the round that differs most.
func Burst(ctx context.Context, db string) (f BurstFigures, err error) {
	h, err := openHouse(ctx, db, burstPack, crowd{housePayers, houseShops})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	f.Payments, f.Rounds = 40, 10
	post := newPoster(h.base+"/v1/payments/assess", h.secret, "application/json", f.Payments)
	if f.SequentialPassed, err = burst(ctx, post, "one", 0, f.Payments, false); err != nil {
		return f, err
	}
	f.ParallelPassed = f.SequentialPassed
	for round := range f.Rounds {
		n, err := burst(ctx, post, fmt.Sprint("all", round), round+1, f.Payments, true)
		if err != nil {
			return f, err
		}
		f.EveryRound = append(f.EveryRound, n)
		if n != f.SequentialPassed {
			f.ParallelPassed = n
		}
	}
	return f, nil
}

// burst sends the payments, each to another payee, so that the number that should
// pass does not hang on their order, and counts those that were simply allowed.
func burst(ctx context.Context, post *poster, run string, payer, n int, parallel bool) (passed int, err error) {
	at := ident.WallClock{}.Now().Format(time.RFC3339Nano)
	allowed, errs := make([]bool, n), make([]error, n)
	send := func(i int) {
		var answer bytes.Buffer
		body := paymentJSON(nil, fmt.Sprintf("%s.%d", run, i), at, payer, i, payer, 1000+i)
		if errs[i] = post.post(ctx, body, &answer); errs[i] != nil {
			return
		}
		var got struct {
			Decision struct {
				Outcome string `json:"outcome"`
			} `json:"decision"`
		}
		errs[i] = json.Unmarshal(answer.Bytes(), &got)
		allowed[i] = got.Decision.Outcome == "allow"
	}
	var wg sync.WaitGroup
	for i := range n {
		if parallel {
			wg.Go(func() { send(i) })
		} else {
			send(i)
		}
	}
	wg.Wait()
	for _, ok := range allowed {
		if ok {
			passed++
		}
	}
	return passed, errors.Join(errs...)
}

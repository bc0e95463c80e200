package rulebook

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/platform/db"
)

// A label reaches the engine that was told, by Refresh the engines of other
// processes, and by Load one that starts; and so does another word that counts more.
func TestLabelsReachEngines(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.judge("pay-1", "W1", "M1", "dev-1", 2_000)
		w.judge("pay-2", "W2", "M1", "dev-2", 2_000)
		w.clock.Advance(time.Hour)
		o := w.another()
		w.ok(o.Load(w.ctx))
		bare := w.engine.Hash()
		if o.engine.Hash() != bare {
			w.Fatal("two processes of one journal differ")
		}
		_, err := w.say("pay-1", "host", true, time.Time{})
		w.ok(err)
		labelled := w.engine.Hash()
		if labelled == bare || o.engine.Hash() != bare {
			w.Fatal("the engine was not told, or the other too early")
		}
		w.ok(o.Refresh(w.ctx))
		if o.engine.Hash() != labelled {
			w.Fatal("the other process was not told")
		}
		f.MuteCommit(1) // it is kept, and nobody knows: Refresh tells
		_, err = w.say("pay-2", "host", true, time.Time{})
		if err == nil || w.engine.Hash() != labelled {
			w.Fatal(err)
		}
		w.ok(w.Refresh(w.ctx))
		both := w.engine.Hash()
		w.ok(o.Refresh(w.ctx))
		n := w.another()
		w.ok(n.Load(w.ctx))
		if both == labelled || o.engine.Hash() != both || n.engine.Hash() != both {
			w.Fatal("the engines differ")
		}
		w.clock.Advance(time.Hour)
		_, err = w.say("pay-2", "police", false, time.Time{})
		w.ok(err)
		_, err = w.say("pay-1", "police", false, w.clock.Now().Add(-2*time.Hour)) // older than what is known
		w.ok(err)
		w.ok(o.Refresh(w.ctx))
		if w.engine.Hash() != labelled || o.engine.Hash() != labelled {
			w.Fatal("the latest report does not count in the engines")
		}
	})
}

// A pack of another layout gets a memory of its own, filled from the journal and
// the labels while payments go on: in the end it is what a start would make.
func TestPublishingAnotherLayout(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(12)
		other := w.save(w.text(7, "utc_offset_minutes: 480", "utc_offset_minutes: 540"))
		ask, err := w.Ask(w.ctx, w.people["ana"], PublishIn{ID: "pub-1", Pack: other.Version.SHA256})
		w.ok(err)
		was := w.engine.Pack().Layout
		var all sync.WaitGroup
		stop := make(chan struct{})
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("live-%d", i)
				if _, err := w.pay.Assess(w.ctx, w.host, req(id, "W1", "M1", "dev-1", 1_000, w.clock.Now())); err != nil {
					w.Errorf("%s: %v", id, err)
				}
				if _, err := w.say(id, "host", i%2 == 0, time.Time{}); err != nil {
					w.Errorf("%s: %v", id, err)
				}
			}
		})
		_, err = w.Sign(w.ctx, w.people["con"], "pub-1", ask.Hash)
		close(stop)
		all.Wait()
		w.ok(err)
		n := w.another()
		w.ok(n.Load(w.ctx))
		if w.running() != 7 || n.running() != 7 || w.engine.Pack().Layout == was {
			w.Fatalf("%d and %d run", w.running(), n.running())
		}
		if w.engine.Hash() != n.engine.Hash() {
			w.Fatal("the memory is not what a start makes of the journal")
		}
		if w.judge("pay-after", "W2", "M1", "dev-2", 1_000).State != payment.Allowed {
			w.Fatal("it does not judge")
		}
	})
}

// An engine that cannot take a publication goes on with what it had, and the row
// says so, here and in every process.
func TestTheEngineRefuses(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		was := w.running()
		p := w.save(w.text(7))
		ask, err := w.Ask(w.ctx, w.people["ana"], PublishIn{ID: "pub-1", Pack: p.Version.SHA256})
		w.ok(err)
		w.damage(`update risk_pack set text = text || ' ' where sha256 = $1`, p.Version.SHA256)
		_, err = w.Sign(w.ctx, w.people["con"], "pub-1", ask.Hash)
		w.want(err, "state", "engine_refused")
		got, err := w.publication(w.ctx, "pub-1")
		w.ok(err)
		if got.State != Failed || got.Error == "" || w.running() != was || w.count(`select count(*) from risk_force`) != 2 {
			w.Fatalf("%+v; pack %d runs", got, w.running())
		}
		w.audited("risk.publish", "pub-1", "done", 2) // the signature, and that it failed
		w.published("pub-2", PublishIn{Pack: w.save(w.text(8)).Version.SHA256})
		if w.running() != 8 || len(w.Problems()) != 0 {
			w.Fatalf("pack %d runs, %+v", w.running(), w.Problems())
		}
	})
}

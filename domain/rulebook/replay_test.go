package rulebook

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/db"
)

func bytesOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The history that live has judged, lived through again by the same pack, gives
// the very same decisions: outcome, reasons, features, to the last bit.
func TestReplayIsWhatLiveDecided(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		live := w.history(25)
		again, err := w.newPast(w.engine.Running(), start.Add(-time.Hour))
		w.ok(err)
		seen := 0
		walk := walk{s: w.Service, from: start, to: w.clock.Now().Add(time.Hour), pasts: []*past{again}, visit: func(st *step) error {
			d, err := again.judge(st)
			if err != nil {
				return err
			}
			seen++
			if a, b := bytesOf(t, live[st.req.ID]), bytesOf(t, d); a != b {
				w.Fatalf("%s\nlive   %s\nreplay %s", st.req.ID, a, b)
			}
			if a, b := bytesOf(t, st.recorded), bytesOf(t, d); a != b {
				w.Fatalf("%s\nrecorded %s\nreplay   %s", st.req.ID, a, b)
			}
			return nil
		}}
		w.ok(walk.run(w.ctx))
		if seen != len(live) || seen < 75 {
			w.Fatalf("%d of %d payments", seen, len(live))
		}
	})
}

// question asks what a pack that stops nothing would have done.
func (w *world) lax() string {
	w.Helper()
	text := w.text(9)
	return strings.ReplaceAll(text, "mode: live", "mode: shadow")
}

func TestReplayComparesAndIsDeterministic(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		live := w.history(25)
		stops, thefts, money := int64(0), int64(0), int64(0)
		for id, d := range live {
			if d.Outcome == risk.Allow {
				continue
			}
			stops++
			if fraud, _ := w.truth(id); fraud {
				thefts++
				p, err := w.pay.View(w.ctx, w.host, id)
				w.ok(err)
				money += p.Amount.Minor
			}
		}
		if thefts == 0 {
			w.Fatal("live stopped nothing: the test shows nothing")
		}
		same := Question{From: start, To: w.clock.Now()}
		r, err := w.Replay(w.ctx, w.people["ana"], same, nil)
		w.ok(err)
		if r.Payments != int64(len(live)) || r.Same != r.Payments || r.More.Payments+r.Less.Payments != 0 || r.Failed != 0 {
			w.Fatalf("against itself: %+v", r)
		}
		q := Question{From: start, To: w.clock.Now(), Text: w.lax()}
		var told [2]int
		r, err = w.Replay(w.ctx, w.people["ana"], q, func(done, total int) { told = [2]int{done, total} })
		w.ok(err)
		if r.Less.Payments != stops || r.More.Payments != 0 || r.Before.Payments != stops || r.After.Payments != 0 || r.Thefts.Frauds != 5 {
			w.Fatalf("%+v", r)
		}
		if r.Less.Frauds != thefts || r.LetGo != money || r.Less.FraudMinor != money || len(r.Less.Samples) != int(min(stops, maxSamples)) {
			w.Fatalf("let go %d of %d: %+v", r.LetGo, money, r.Less)
		}
		if told[0] != told[1] || told[1] == 0 {
			w.Fatalf("progress ended at %v", told)
		}
		for _, rule := range r.Rules {
			if rule.Gone != rule.Before || rule.After != 0 {
				w.Fatalf("%+v", rule)
			}
			if share, ok := rule.Precision(); rule.Shadow > 0 && (!ok || share <= 0) {
				w.Fatalf("%+v: precision %v", rule, share)
			}
		}
		days := int64(0)
		for _, d := range r.Days {
			days += d.StoppedBefore
		}
		if days != stops || !strings.Contains(r.Sum().ZH, "少拦") {
			w.Fatalf("%d stops by day; %s", days, r.Sum().ZH)
		}
		once := bytesOf(t, r)
		r, err = w.Replay(w.ctx, w.people["ben"], q, nil)
		w.ok(err)
		if bytesOf(t, r) != once {
			w.Fatal("the same question got another answer")
		}
		_, err = w.Replay(w.ctx, w.people["con"], q, nil)
		w.want(err, ident.KindDenied, "not_allowed")
	})
}

// Against a kept pack, and the other way round: what one stops more the other
// stops less.
func TestReplayAgainstAPack(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(15)
		lax := w.save(w.lax())
		running := w.engine.Pack().Version.SHA256
		a, err := w.Replay(w.ctx, w.people["ana"], Question{From: start, To: w.clock.Now(), Pack: lax.Version.SHA256, Against: running}, nil)
		w.ok(err)
		b, err := w.Replay(w.ctx, w.people["ana"], Question{From: start, To: w.clock.Now(), Pack: running, Against: lax.Version.SHA256}, nil)
		w.ok(err)
		if a.Less.Payments == 0 || bytesOf(t, a.Less.Payments) != bytesOf(t, b.More.Payments) || a.LetGo != b.Saved || a.Same != b.Same {
			w.Fatalf("%+v\n%+v", a, b)
		}
		// A part of the span, warmed by what was before it, says the same of its days.
		mid := start.Add(8 * 24 * time.Hour)
		c, err := w.Replay(w.ctx, w.people["ana"], Question{From: mid, To: w.clock.Now(), Pack: lax.Version.SHA256, Against: running}, nil)
		w.ok(err)
		if c.Warmed == 0 || c.Warmed+int(c.Payments) != int(a.Payments) {
			w.Fatalf("%d warmed, %d judged of %d", c.Warmed, c.Payments, a.Payments)
		}
		for _, day := range c.Days[1:] {
			for _, all := range a.Days {
				if all.Day == day.Day && all != day {
					w.Fatalf("%+v and %+v", all, day)
				}
			}
		}
	})
}

func TestQuestionsWithoutAnswer(t *testing.T) {
	for code, q := range map[string]Question{
		"required":        {To: start},
		"window":          {From: start, To: start},
		"window_too_long": {From: start.AddDate(-2, 0, 0), To: start},
		"twice":           {From: start, To: start.Add(time.Hour), Pack: "a", Text: "b"},
	} {
		if err := q.Check(); ident.CodeOf(err) != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestReplayAsAJob(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(10)
		q := Question{From: start, To: w.clock.Now(), Text: w.lax()}
		_, err := w.AskHistory(w.ctx, w.people["con"], "rep-1", q)
		w.want(err, ident.KindDenied, "not_allowed")
		f.LoseCommit(1)
		_, err = w.AskHistory(w.ctx, w.people["ana"], "rep-1", q)
		w.want(err, ident.KindUnavailable, "fault")
		f.MuteCommit(1)
		_, err = w.AskHistory(w.ctx, w.people["ana"], "rep-1", q)
		w.want(err, ident.KindUnknown, "outcome_unknown")
		j, err := w.AskHistory(w.ctx, w.people["ana"], "rep-1", q)
		w.ok(err)
		if j.State != Waiting {
			w.Fatal(j.State)
		}
		q2 := q
		q2.Model = NoModel
		_, err = w.AskHistory(w.ctx, w.people["ana"], "rep-1", q2)
		w.want(err, ident.KindConflict, "replay_exists")

		// A worker that takes it and stops: another takes it after a while.
		_, found, err := w.takeReplay(w.ctx)
		w.ok(err)
		if worked, err := w.AnswerOne(w.ctx); !found || worked || err != nil {
			w.Fatalf("%v %v %v", found, worked, err)
		}
		w.clock.Advance(time.Minute)
		f.MuteCommit(1) // of taking it: nobody knows, it lapses again
		_, err = w.AnswerOne(w.ctx)
		w.want(err, ident.KindUnknown, "outcome_unknown")
		w.clock.Advance(time.Minute)
		worked, err := w.AnswerOne(w.ctx)
		w.ok(err)
		j, report, err := w.ReplayJob(w.ctx, w.people["con"], "rep-1")
		w.ok(err)
		if !worked || j.State != Done || report == nil || report.Less.Frauds == 0 {
			w.Fatalf("%v %+v %+v", worked, j, report)
		}
		want, err := w.replay(w.ctx, q, nil)
		w.ok(err)
		if bytesOf(t, want) != bytesOf(t, report) {
			w.Fatal("the kept report is not the answer")
		}

		bad := q
		bad.Text = "nonsense"
		_, err = w.AskHistory(w.ctx, w.people["ana"], "rep-2", bad)
		w.ok(err)
		_, err = w.AnswerOne(w.ctx)
		w.ok(err)
		if j, _, err = w.ReplayJob(w.ctx, w.people["ana"], "rep-2"); err != nil || j.State != Broken || j.Error == "" {
			w.Fatalf("%+v %v", j, err)
		}
		_, err = w.AskHistory(w.ctx, w.people["ana"], "rep-3", q)
		w.ok(err)
		for range 2 {
			if j, err = w.CancelReplay(w.ctx, w.people["ben"], "rep-3"); err != nil || j.State != Cancelled {
				w.Fatalf("%+v %v", j, err)
			}
		}
		if worked, err := w.AnswerOne(w.ctx); worked || err != nil {
			w.Fatalf("a cancelled replay was answered: %v", err)
		}
		_, err = w.CancelReplay(w.ctx, w.people["ben"], "rep-1")
		w.want(err, ident.KindState, "replay_done")
	})
}

// Whatever commit of answering is lost or muted, the report is kept once or the
// replay waits again.
func TestAnswerWithFaults(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(3)
		for n := 1; n <= 2; n++ {
			for _, mute := range []bool{false, true} {
				id := "rep-" + bytesOf(t, n) + bytesOf(t, mute)
				_, err := w.AskHistory(w.ctx, w.people["ana"], id, Question{From: start, To: w.clock.Now()})
				w.ok(err)
				if mute {
					f.MuteCommit(n)
				} else {
					f.LoseCommit(n)
				}
				for range 3 {
					_, _ = w.AnswerOne(w.ctx)
					w.clock.Advance(time.Minute)
				}
				j, report, err := w.ReplayJob(w.ctx, w.people["ana"], id)
				w.ok(err)
				if j.State != Done || report == nil {
					w.Fatalf("commit %d, mute %v: %+v", n, mute, j)
				}
			}
		}
	})
}

func TestWorkAnswersAndStops(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(2)
		ctx, stop := context.WithCancel(w.ctx)
		done := make(chan error, 1)
		go func() { done <- w.Work(ctx) }()
		_, err := w.AskHistory(w.ctx, w.people["ana"], "rep-1", Question{From: start, To: w.clock.Now()})
		w.ok(err)
		for range 200 {
			j, _, err := w.ReplayJob(w.ctx, w.people["ana"], "rep-1")
			w.ok(err)
			if j.State == Done {
				stop()
				w.ok(<-done)
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		stop()
		w.Fatal("nobody has answered")
	})
}

package rulebook

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/db"
)

const aDay = 24 * time.Hour

// What live reads of a payment is what training reads of it, to the last bit.
func TestTrainingReadsWhatLiveRead(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		live := map[string][]float64{}
		w.before = func(r payment.Request) {
			f, err := w.factsOf(r)
			w.ok(err)
			x, err := w.engine.Features(eventOf(r), f)
			w.ok(err)
			live[r.ID] = x
		}
		w.history(20)
		frauds, rows := 0, 0
		last := time.Time{}
		err := w.TrainingSet(w.ctx, w.people["ana"], SetIn{From: start, To: w.clock.Now(), Delay: aDay}, func(names []string) error {
			if !slices.Equal(names, w.engine.FeatureNames()) {
				w.Fatalf("%v", names)
			}
			return nil
		}, func(r *Row) error {
			rows++
			frauds += int(one(r.Fraud))
			if r.At.Before(last) || len(r.Features) != len(live[r.Payment]) {
				w.Fatalf("%s at %s", r.Payment, r.At)
			}
			last = r.At
			for i, x := range r.Features {
				if math.Float64bits(x) != math.Float64bits(live[r.Payment][i]) {
					w.Fatalf("%s: %s was %v and is %v", r.Payment, w.engine.FeatureNames()[i], live[r.Payment][i], x)
				}
			}
			return nil
		}, nil)
		w.ok(err)
		if frauds != 4 || rows < 50 || rows >= len(live)+1 {
			w.Fatalf("%d rows of %d payments, %d thefts", rows, len(live), frauds)
		}
		err = w.TrainingSet(w.ctx, w.people["con"], SetIn{From: start, To: w.clock.Now()}, nil, nil, nil)
		w.want(err, ident.KindDenied, "not_allowed")
	})
}

func (w *world) factsOf(r payment.Request) (risk.Facts, error) {
	k := walk{s: w.Service, buf: []step{{req: r}}}
	err := k.facts(w.ctx)
	return k.buf[0].facts, err
}

// A training set knows no more than was known: young payments without a label, and
// those that were stopped, are not "in order".
func TestWhoIsARow(t *testing.T) {
	at := start.Add(30 * aDay)
	in := SetIn{Delay: 7 * aDay, Ordinary: 1}
	label := func(fraud bool, days int) Label {
		return Label{LabelIn: LabelIn{Fraud: fraud, ReportedAt: at.Add(time.Duration(days) * aDay)}}
	}
	for name, c := range map[string]struct {
		in        SetIn
		st        step
		fraud, ok bool
	}{
		"old and silent":          {in, step{event: risk.Event{At: at.Add(-8 * aDay)}, state: payment.Settled}, false, true},
		"young and silent":        {in, step{event: risk.Event{At: at.Add(-6 * aDay)}, state: payment.Settled}, false, false},
		"old and stopped":         {in, step{event: risk.Event{At: at.Add(-8 * aDay)}, state: payment.Blocked}, false, false},
		"stopped, and it was one": {in, step{event: risk.Event{At: at.Add(-aDay)}, state: payment.Blocked, labelled: true, label: label(true, -1)}, true, true},
		"young, and in order":     {in, step{event: risk.Event{At: at.Add(-aDay)}, state: payment.Settled, labelled: true, label: label(false, -1)}, false, true},
		"not known by then": {SetIn{Delay: 7 * aDay, Ordinary: 1, Known: at.Add(-2 * aDay)},
			step{event: risk.Event{At: at.Add(-20 * aDay)}, state: payment.Settled, labelled: true, label: label(true, -1)}, false, true},
	} {
		fraud, _, ok := c.in.use(at)(&c.st)
		if fraud != c.fraud || ok != c.ok {
			t.Errorf("%s: fraud %v, row %v", name, fraud, ok)
		}
	}
	half := SetIn{Ordinary: 0.5}
	n := 0
	for i := range 2000 {
		n += int(one(half.draws("pay-" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('0'+i/26%10)) + string(rune('A'+i/260)))))
	}
	if n < 850 || n > 1150 {
		t.Errorf("half of 2000 is %d", n)
	}
}

func (w *world) train(name string) TrainReport {
	w.Helper()
	r, err := w.Train(w.ctx, w.people["ana"], TrainIn{SetIn: SetIn{From: start, To: w.clock.Now(), Delay: aDay}, Name: name, Test: 0.3, Keep: true,
		Trees: boost.Train{Trees: 20, Depth: 2, Rate: 0.3, Seed: 7}}, nil)
	w.ok(err)
	return r
}

func TestTrainPromoteAndRetire(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(40)
		a, b := w.train("first"), w.train("again")
		if a.SHA256 != b.SHA256 || !bytes.Equal(a.File, b.File) || a.Frauds == 0 || a.Test.Frauds == 0 || a.Rows+a.Test.Payments > 140 {
			w.Fatalf("%+v\n%+v", a, b)
		}
		if !a.TrainTo.Equal(a.TestFrom.Add(-aDay)) || a.Test.Enough || a.Model.Status != Candidate {
			w.Fatalf("%+v", a)
		}
		m, err := w.ModelOf(w.ctx, w.people["con"], a.SHA256)
		w.ok(err)
		if m.Name != "first" || m.Trees == 0 || len(m.Features) == 0 || !strings.Contains(string(m.Report), `"train_to"`) {
			w.Fatalf("%+v", m)
		}
		file, err := w.ModelFile(w.ctx, w.people["con"], a.SHA256)
		w.ok(err)
		if !bytes.Equal(file, a.File) {
			w.Fatal("the file is another")
		}

		// It challenges first, and then decides; each needs two people.
		for i, as := range []ModelStatus{Challenger, Champion} {
			id := "pub-" + string(as)
			ask, err := w.Promote(w.ctx, w.people["ana"], PromoteIn{ID: id, Model: a.SHA256, As: as})
			w.ok(err)
			if i == 1 && !strings.Contains(ask.Summary, "too few to judge it") {
				w.Fatalf("no figures: %s", ask.Summary)
			}
			_, err = w.Sign(w.ctx, w.people["ana"], id, ask.Hash)
			w.want(err, ident.KindDenied, "second_person_needed")
			_, err = w.Sign(w.ctx, w.people["lea"], id, ask.Hash)
			w.ok(err)
			m, err := w.ModelOf(w.ctx, w.people["con"], a.SHA256)
			w.ok(err)
			if m.Status != as {
				w.Fatalf("it is %s", m.Status)
			}
			p := w.judge("with-"+string(as), "W1", "M1", "dev-1", 2_100)
			if v, ok := view(p.Decision, a.SHA256); !ok || (p.Decision.Model != nil) != (as == Champion) || v.Name != "first" {
				w.Fatalf("%+v", p.Decision)
			}
			w.end(p)
			was, is, err := w.Recompute(w.ctx, w.people["con"], p.ID)
			w.ok(err)
			if was.Outcome != is.Outcome || bytesOf(t, was.Reasons) != bytesOf(t, is.Reasons) || as == Champion && bytesOf(t, was.Model) != bytesOf(t, is.Model) {
				w.Fatalf("%s\n%s", bytesOf(t, was), bytesOf(t, is))
			}
		}
		w.retire(f, a.SHA256)
	})
}

// retire takes a champion back and off the list.
func (w *world) retire(f *db.Faults, sha string) {
	w.Helper()
	_, err := w.RetireModel(w.ctx, w.people["ana"], sha)
	w.want(err, ident.KindState, "model_in_force")
	_, err = w.TakeBack(w.ctx, w.people["ana"], "pub-champion", "back to a challenger")
	w.ok(err)
	_, err = w.TakeBack(w.ctx, w.people["ana"], "pub-challenger", "back to nothing")
	w.ok(err)
	f.LoseCommit(1)
	_, err = w.RetireModel(w.ctx, w.people["ana"], sha)
	w.want(err, ident.KindUnavailable, "fault")
	f.MuteCommit(1)
	_, err = w.RetireModel(w.ctx, w.people["ana"], sha)
	w.want(err, ident.KindUnknown, "outcome_unknown")
	m, err := w.RetireModel(w.ctx, w.people["ana"], sha)
	w.ok(err)
	if m.Status != Retired {
		w.Fatal(m.Status)
	}
	_, err = w.Promote(w.ctx, w.people["ana"], PromoteIn{ID: "pub-x", Model: sha, As: Champion})
	w.want(err, ident.KindState, "model_retired")
}

func TestDamagedModelStopsNothing(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(40)
		r := w.train("first")
		ask, err := w.Promote(w.ctx, w.people["ana"], PromoteIn{ID: "pub-1", Model: r.SHA256, As: Champion})
		w.ok(err)
		_, err = w.Sign(w.ctx, w.people["lea"], "pub-1", ask.Hash)
		w.ok(err)
		o := w.another()
		w.ok(o.Load(w.ctx))
		if p := o.judge("pay-a", "W1", "M1", "dev-1", 100); p.Decision.Model == nil {
			w.Fatal("the champion does not decide after a start")
		}
		w.damage(`update risk_model_file set bytes = $1`, []byte("{}"))
		o = w.another()
		w.ok(o.Load(w.ctx))
		if p := o.judge("pay-b", "W1", "M1", "dev-1", 100); p.Decision.Model != nil || len(o.Problems()) != 1 {
			w.Fatalf("%+v", o.Problems())
		}
		_, err = w.ImportModel(w.ctx, w.people["ana"], "bad", []byte(`{"learner": 3}`))
		if !ident.Is(err, ident.KindInvalid) {
			w.Fatal(err)
		}
		_, err = w.ImportModel(w.ctx, w.people["ana"], "bad", make([]byte, MaxModel+1))
		w.want(err, ident.KindTooLarge, "model_too_large")
		_, err = w.ImportModel(w.ctx, w.people["han"], "bad", r.File)
		w.want(err, ident.KindDenied, "not_allowed")
	})
}

// A damaged challenger decides nothing, so nothing falls back for it.
func TestDamagedChallengerIsLeftOut(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(40)
		r := w.train("first")
		w.published("pub-1", PublishIn{Pack: w.save(w.text(7)).Version.SHA256, Challengers: []string{r.SHA256}})
		w.damage(`update risk_model_file set bytes = $1`, []byte("{}"))
		o := w.another()
		w.ok(o.Load(w.ctx))
		if o.running() != 7 || len(o.Problems()) != 1 || o.Problems()[0].Code != "model_damaged" {
			w.Fatalf("pack %d runs, %+v", o.running(), o.Problems())
		}
	})
}

func TestFiguresAndDriftOfAModel(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.history(40)
		r := w.train("first")
		ask, err := w.Promote(w.ctx, w.people["ana"], PromoteIn{ID: "pub-1", Model: r.SHA256, As: Challenger})
		w.ok(err)
		_, err = w.Sign(w.ctx, w.people["lea"], "pub-1", ask.Hash)
		w.ok(err)
		from := w.clock.Now()
		asked := 0
		for day := range 9 {
			for i, p := range []string{"W1", "W2", "W3"} {
				w.clock.Advance(time.Hour)
				w.end(w.judge("new-"+string(rune('a'+day))+p, p, "M1", "dev-"+p[1:], int64(2_000+100*i)))
				asked++
			}
			w.clock.Advance(21 * time.Hour)
		}
		w.clock.Advance(8 * aDay)
		fs, err := w.ModelFigures(w.ctx, w.people["con"], []string{r.SHA256, "other"}, from, w.clock.Now())
		w.ok(err)
		if f := fs[r.SHA256]; f.Payments != asked || f.Frauds != 0 || f.Enough || fs["other"].Payments != 0 {
			w.Fatalf("%+v", fs)
		}
		ds, err := w.ModelDrift(w.ctx, w.people["con"], r.SHA256, from, w.clock.Now())
		w.ok(err)
		n := 0
		for _, d := range ds {
			n += d.Payments
			if len(d.Features) == 0 || math.IsNaN(d.Score.PSI) {
				w.Fatalf("%+v", d)
			}
		}
		if n != asked || w.count(`select count(*) from risk_drift`) == 0 {
			w.Fatalf("%d payments in %d days", n, len(ds))
		}
		again, err := w.ModelDrift(w.ctx, w.people["con"], r.SHA256, from, w.clock.Now())
		w.ok(err)
		if bytesOf(t, again) != bytesOf(t, ds) {
			w.Fatal("what was kept is not what was counted")
		}
	})
}

func TestFiguresArePure(t *testing.T) {
	var s scored
	for i := range 1000 {
		p := float64(i) / 1000
		s.add(p, i%10 < i/100, "W"+string(rune('a'+i%20)), start.Add(time.Duration(i)*time.Hour), 100)
	}
	f := s.figures(start, start.Add(1000*time.Hour))
	if !f.Enough || f.Frauds != 450 || f.AUC < 0.7 || f.AP < 0.6 || len(f.Calibration) != 10 {
		t.Fatalf("%+v", f)
	}
	for i, d := range f.Calibration { // said 0.05, 0.15 …; true 0, 0.1 …
		if d.Payments != 100 || math.Abs(d.Said-(float64(i)+0.495)/10) > 1e-9 || math.Abs(d.True-float64(i)/10) > 1e-9 {
			t.Errorf("decile %d: %+v", i, d)
		}
	}
	c := risk.CostsInfo{Lost: 1000, Disturb: map[risk.Outcome]int64{risk.Challenge: 200, risk.Hold: 2000, risk.Block: 10000},
		Stops: map[risk.Outcome]int64{risk.Challenge: 900, risk.Hold: 980, risk.Block: 1000}}
	for _, x := range []struct {
		p     float64
		minor int64
		fraud bool
		want  int64
	}{
		{0, 100_000, true, 100_000}, {0, 100_000, false, 0}, // it lets it go
		{0.01, 100_000, true, 10_000}, {0.01, 100_000, false, 200}, // a challenge stops nine of ten
		{1, 10_000_000, true, 0}, {1, 10_000_000, false, 10_000}, // blocked
	} {
		if got := realised(c, x.p, x.minor, x.fraud); got != x.want {
			t.Errorf("%+v: %d", x, got)
		}
	}
}

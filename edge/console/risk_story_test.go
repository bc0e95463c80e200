package console_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"surety/domain/list"
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/domain/watch"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

func host() ident.Actor {
	return ident.Actor{Kind: ident.Key, ID: "key_host", Roles: []ident.Role{ident.RoleHost}}
}

// ordinary is two days of a quiet town, for the meter to learn from.
func ordinary(_ context.Context, from, to time.Time, fn func(e *risk.Event, stopped bool) error) error {
	from = to.Add(-50 * time.Hour)
	for i := 0; ; i++ {
		at := from.Add(time.Duration(i) * 90 * time.Second)
		if !at.Before(to) {
			return nil
		}
		e := risk.Event{ID: fmt.Sprintf("old_%d", i), At: at, Payer: fmt.Sprintf("P%d", i%97), Payee: fmt.Sprintf("Q%d", i%13),
			Amount: money.Of(int64(1000+i%700), money.CNY), Type: risk.Purchase, Channel: "app", Device: fmt.Sprintf("dev-old-%d", i%40), City: "成都"}
		if err := fn(&e, false); err != nil {
			return err
		}
	}
}

// scorer trains a small model: what goes to a new payee and is large is a theft.
func (w *world) scorer(name string, seed uint64) *risk.Scorer {
	w.t.Helper()
	names := w.engine.FeatureNames()
	d := boost.Dataset{Names: names, Rows: 600}
	for i := range d.Rows {
		theft := i%5 == 0
		for j, n := range names {
			v := float32((i*31+j*17)%7) / 7
			switch n {
			case "amount":
				v = float32(1000 + i%900*10)
				if theft {
					v = float32(200_000 + i*100)
				}
			case "payer.payees_1d":
				v = float32(1 + i%2)
				if theft {
					v = 4
				}
			}
			d.X = append(d.X, v)
		}
		y := uint8(0)
		if theft {
			y = 1
		}
		d.Y, d.At = append(d.Y, y), append(d.At, int64(i)*3_600_000_000)
	}
	m, _, err := boost.Fit(context.Background(), boost.Train{Trees: 20, Depth: 3, Seed: seed}, d, nil)
	must(w.t, err)
	var file bytes.Buffer
	must(w.t, m.Write(&file))
	kept, err := w.rulebook.ImportModel(context.Background(), w.staff[ident.RoleAnalyst], name, file.Bytes())
	must(w.t, err)
	sum := sha256.Sum256(file.Bytes())
	if kept.SHA256 != hex.EncodeToString(sum[:]) {
		w.t.Fatal("the rulebook names the model by another hash")
	}
	return &risk.Scorer{Name: name, Version: kept.SHA256, Model: m}
}

// riskWorld is what the risk pages show.
type riskWorld struct {
	*world
	model  *risk.Scorer
	listed list.Entry // the device of the thefts
	name   list.Entry // a person on the watch list
	alarm  watch.Alarm
}

// riskStory makes models, list entries, a burst of payments and the alarm it raises.
func riskStory(w *world) *riskWorld {
	w.t.Helper()
	ctx := context.Background()
	must(w.t, w.rulebook.Load(ctx))
	r := &riskWorld{world: w, model: w.scorer("night-owl", 7)}
	must(w.t, w.engine.SetModels(r.model, []*risk.Scorer{w.scorer("young-owl", 8)}))
	r.listed = w.entry(list.Statement{ID: "lst_dev", Kind: list.Watch, Subject: list.Device, Value: "dev-burst", Source: list.Police,
		Reason: list.Reason{ZH: "涉案设备", EN: "device of a case"}, Confidence: 900, From: start.Add(-time.Hour), Until: start.AddDate(0, 0, 5)})
	r.name = w.entry(list.Statement{ID: "lst_name", Kind: list.Watch, Subject: list.Name, Value: "<script>alert(5)</script> 宋伟", Source: list.Own,
		Reason: list.Reason{ZH: "多次被冒用", EN: "often impersonated"}, Confidence: 500, Note: "saw him twice", Until: start.AddDate(0, 2, 0)})
	w.entry(list.Statement{ID: "lst_net", Kind: list.Deny, Subject: list.Address, Value: "203.0.113.0/24", Source: list.Carrier,
		Reason: list.Reason{ZH: "代理网段", EN: "a network of proxies"}, Confidence: 1000})
	w.burst()
	must(w.t, w.watch.Tick(ctx, w.clock.Now()))
	must(w.t, w.db.View(ctx, func(tx *db.Tx) error {
		all, err := w.watch.Alarms(tx, watch.AlarmFilter{Dimension: watch.Device, Key: "dev-burst"})
		if len(all) > 0 {
			r.alarm = all[0]
		}
		return err
	}))
	if r.alarm.ID == "" {
		w.t.Fatal("the burst raised no alarm")
	}
	return r
}

func (w *world) entry(st list.Statement) list.Entry {
	w.t.Helper()
	e, _, err := w.list.Add(context.Background(), w.staff[ident.RoleAnalyst], st)
	must(w.t, err)
	return e
}

// burst is twenty payments of stolen accounts from one device within minutes.
func (w *world) burst() {
	w.t.Helper()
	var reqs []payment.Request
	for i := range 24 {
		at := w.clock.Now().Add(-time.Duration(24-i) * 20 * time.Second)
		reqs = append(reqs, payment.Request{ID: fmt.Sprintf("pay_burst_%02d", i), At: at, Payer: fmt.Sprintf("W%d", 1+i%7), Payee: "W9",
			Amount: money.Of(int64(380_000+i*1_000), money.CNY), Type: "transfer", Channel: "app", Device: "dev-burst", IP: "203.0.113.9",
			City: "乐山", Terminal: "", Region: "四川"})
	}
	rs, err := w.payment.AssessBatch(context.Background(), host(), reqs)
	must(w.t, err)
	for _, r := range rs {
		must(w.t, r.Err)
	}
}

func riskSQLite(t *testing.T) *riskWorld { return riskStory(sqlite(t)) }

package rulebook

import (
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/db"
)

func TestPacksAreKept(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		if n := w.count(`select count(*) from risk_pack where author = 'house'`); n != 1 {
			w.Fatalf("%d packs came with the program", n)
		}
		text := w.text(7)
		_, err := w.SavePack(w.ctx, w.people["lea"], text, "")
		w.want(err, ident.KindDenied, "not_allowed")
		_, err = w.SavePack(w.ctx, w.people["ana"], text+"\nnonsense: 1\n", "")
		if !ident.Is(err, ident.KindInvalid) {
			w.Fatal(err)
		}
		f.LoseCommit(1)
		_, err = w.SavePack(w.ctx, w.people["ana"], text, "first")
		w.want(err, ident.KindUnavailable, "fault")
		f.MuteCommit(1)
		_, err = w.SavePack(w.ctx, w.people["ana"], text, "first")
		w.want(err, ident.KindUnknown, "outcome_unknown")
		p, err := w.SavePack(w.ctx, w.people["ana"], text, "first")
		w.ok(err)
		if p.Text != text || p.Version.Number != 7 || p.Author != w.people["ana"].ID || p.InForce {
			w.Fatalf("%+v", p)
		}
		_, err = w.SavePack(w.ctx, w.people["ana"], text+"\n# another\n", "")
		w.want(err, ident.KindConflict, "pack_number_taken")
		all, err := w.Packs(w.ctx, w.people["con"])
		w.ok(err)
		if len(all) != 2 || all[0].Text != "" {
			w.Fatalf("%+v", all)
		}
		_, err = w.ViewPack(w.ctx, w.people["con"], "nothing")
		w.want(err, ident.KindNotFound, "pack_not_found")
		_, err = w.ViewPack(w.ctx, w.people["han"], p.Version.SHA256)
		w.want(err, ident.KindDenied, "not_allowed")
		ds, err := w.Difference(w.ctx, w.people["ana"], text)
		w.ok(err)
		if len(ds) != 1 || ds[0].Path != "pack.number" {
			w.Fatalf("%+v", ds)
		}
	})
}

func TestDrafts(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		d := Draft{ID: "draft-1", Title: "new limits", Text: "not even YAML: ["}
		_, err := w.SaveDraft(w.ctx, w.people["ana"], Draft{ID: "draft-1", Text: "x"})
		w.want(err, ident.KindInvalid, "title_length")
		_, err = w.SaveDraft(w.ctx, w.people["ana"], Draft{ID: "draft-1", Title: "x", Version: 3})
		w.want(err, ident.KindConflict, "draft_moved")
		f.LoseCommit(1)
		_, err = w.SaveDraft(w.ctx, w.people["ana"], d)
		w.want(err, ident.KindUnavailable, "fault")
		f.MuteCommit(1)
		_, err = w.SaveDraft(w.ctx, w.people["ana"], d)
		w.want(err, ident.KindUnknown, "outcome_unknown")
		one, err := w.SaveDraft(w.ctx, w.people["ana"], d)
		w.ok(err)
		two := one
		two.Text = "better"
		two, err = w.SaveDraft(w.ctx, w.people["ben"], two)
		w.ok(err)
		if one.Version != 1 || two.Version != 2 || two.Author != w.people["ben"].ID {
			w.Fatalf("%+v %+v", one, two)
		}
		one.Text = "worse"
		_, err = w.SaveDraft(w.ctx, w.people["ana"], one)
		w.want(err, ident.KindConflict, "draft_moved")
		got, err := w.Draft(w.ctx, w.people["con"], "draft-1")
		w.ok(err)
		if got.Text != "better" {
			w.Fatalf("%+v", got)
		}
		for range 2 {
			w.ok(w.DropDraft(w.ctx, w.people["ana"], "draft-1"))
		}
		_, err = w.Draft(w.ctx, w.people["con"], "draft-1")
		w.want(err, ident.KindNotFound, "draft_not_found")
	})
}

func TestCheckNamesThePlace(t *testing.T) {
	w := &world{TB: t}
	text := w.text(7)
	if ps := Check(text); len(ps) != 0 {
		t.Fatalf("%+v", ps)
	}
	lines := strings.Split(text, "\n")
	at := 0
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "when:") && !strings.Contains(line, ">-") {
			lines[i], at = strings.Split(line, "when:")[0]+"when: amount > nobody.knows", i+1
			break
		}
	}
	ps := Check(strings.Join(lines, "\n"))
	if at == 0 || len(ps) != 1 || ps[0].Line != at || ps[0].Column == 0 || strings.HasPrefix(ps[0].Message, "line ") {
		t.Fatalf("line %d: %+v", at, ps)
	}
	ps = Check("pack: {name: risk, number: 1, effective_from: 2026-01-01}\ncurrency: CNY\ncurrency: CNY\n")
	if len(ps) != 1 || ps[0].Line != 3 {
		t.Fatalf("%+v", ps)
	}
	wall := ident.WallClock{}
	began := wall.Now()
	for range 20 {
		Check(text)
	}
	if took := wall.Now().Sub(began) / 20; took > 500*time.Millisecond {
		t.Fatalf("a check takes %v: too slow for an editor", took)
	}
}

func TestChangesInWords(t *testing.T) {
	for _, c := range []struct {
		change policy.Change
		zh, en string
	}{
		{policy.Change{Path: "rules[night].mode", Before: `"shadow"`, After: `"live"`}, `规则“night”的 mode由 "shadow" 改为 "live"`,
			`mode of rule night changed from "shadow" to "live"`},
		{policy.Change{Path: "rules[night]", After: "map[id:night]"}, "新增规则“night”：map[id:night]", "added rule night: map[id:night]"},
		{policy.Change{Path: "limits.large", Before: "500000"}, "删除限额“large”（原为 500000）", "removed limit large (it was 500000)"},
		{policy.Change{Path: "currency", Before: `"CNY"`, After: `"USD"`}, `“currency”由 "CNY" 改为 "USD"`, `currency changed from "CNY" to "USD"`},
	} {
		if got := Tell(c.change); got.ZH != c.zh || got.EN != c.en {
			t.Errorf("%v: %q, %q", c.change, got.ZH, got.EN)
		}
	}
}

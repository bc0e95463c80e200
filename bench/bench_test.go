package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// shared skips where the data of others is not at hand.
func shared(t *testing.T, path string) string {
	t.Helper()
	path = "../../shared/" + path
	if _, err := os.Stat(path); err != nil {
		t.Skip(path + " is not here")
	}
	return path
}

// Every figure that is right or wrong, not fast or slow.
func TestGolden(t *testing.T) {
	f, err := Golden(context.Background(), shared(t, "data/model"))
	if err != nil || !f.ScoresBitEqual || f.Rows != 2000 || f.SHAPMaxError > 1e-5 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestHijack(t *testing.T) {
	f, err := Hijack(context.Background(), shared(t, "scenarios")+"/hijacked-phone.jsonl")
	if err != nil || f.AttemptedMinor != 10_000_000 || f.LostMinor > 990_000 || f.OrdinaryStopped != 0 || f.Ordinary != 46 {
		t.Errorf("%+v, %v", f, err)
	}
	b, err := json.Marshal(f)
	if err != nil || strings.Contains(string(b), "Lines") || !strings.Contains(string(b), `"lost_minor"`) {
		t.Errorf("%s, %v", b, err)
	}
}

// A small engine answers, and the figures can be read.
func TestDecideSmall(t *testing.T) {
	f, err := Decide(context.Background(), DecideConfig{Entities: 5000, Rules: 10, Trees: 5, For: 20 * time.Millisecond})
	if err != nil || f.Entities < 4000 || f.Events < f.Entities || f.P50Nanos <= 0 || f.PerSecondBatch <= 0 {
		t.Fatalf("%+v, %v", f, err)
	}
	var b bytes.Buffer
	f.Tell(&b)
	if !strings.Contains(b.String(), "█") {
		t.Error("no picture")
	}
}

func TestBurst(t *testing.T) {
	t.Chdir(t.TempDir())
	f, err := Burst(context.Background(), "")
	if err != nil || f.SequentialPassed != 5 || f.ParallelPassed != 5 || len(f.EveryRound) != f.Rounds {
		t.Errorf("%+v, %v", f, err)
	}
}

// What is missing or malformed is named, with its place.
func TestBadData(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.csv": "x,y\n1\n", "b.csv": "TRANSACTION_ID\n", "c.csv": ""} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Handbook(context.Background(), HandbookConfig{Data: dir, Transactions: []string{dir + "/" + name}})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Golden(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "xgb_200x6") {
		t.Error(err)
	}
	if _, err := Hijack(context.Background(), dir+"/none"); err == nil || !strings.Contains(err.Error(), "--file") {
		t.Error(err)
	}
	for _, c := range []HandbookConfig{{TestFrom: "soon"}, {TrainFrom: "200"}, {TestFrom: "10", TestTo: "9"}} {
		if _, err := c.split(); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// The book's own split, by default.
func TestSplit(t *testing.T) {
	d, err := HandbookConfig{}.split()
	if err != nil {
		t.Fatal(err)
	}
	a, b, c, e := d.names()
	if got := strings.Join([]string{a, b, c, e}, " "); got != "2018-05-03 2018-07-31 2018-08-08 2018-08-14" {
		t.Error(got)
	}
}

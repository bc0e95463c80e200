package sim

import (
	"context"
	"testing"
)

// crashed runs Crash with this binary as the child.
func crashed(t *testing.T, cfg CrashConfig) CrashReport {
	t.Helper()
	cfg.Dir, cfg.Command = t.TempDir(), self
	rep, err := Crash(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", rep)
	return rep
}

// R1: kill -9 at random points of the pay-out, on both databases: nothing that
// was acknowledged is lost, everybody is paid exactly once.
func TestR1KillNine(t *testing.T) {
	rep := crashed(t, CrashConfig{Rounds: 20, Seed: 1})
	if !rep.OK() || rep.Paid != 20*12 || rep.Kills < 20 || rep.Acks < 20*12 {
		t.Fatalf("%+v", rep)
	}
}

// The control of R1: a house that answers before it has committed is caught.
func TestR1ControlAckBeforeCommit(t *testing.T) {
	if rep := crashed(t, CrashConfig{Rounds: 3, Seed: 1, work: "early"}); rep.Lost == 0 {
		t.Fatal("acknowledged acts that were never written went unnoticed")
	}
}

// R2: the same with the power gone: what was not synced is forgotten.
func TestR2LostPages(t *testing.T) {
	rep := crashed(t, CrashConfig{Rounds: 10, Seed: 2, Power: true})
	if !rep.OK() || rep.Paid != 10*12 || rep.Dropped == 0 {
		t.Fatalf("%+v", rep)
	}
}

// The control of R2: without syncs acknowledged rows are lost, and seen to be;
// kill -9 alone does not see it, and with syncs none is.
func TestR2ControlSynchronousOff(t *testing.T) {
	if rep := crashed(t, CrashConfig{Rounds: 5, Seed: 3, Power: true, work: "bare", sync: "OFF"}); rep.Lost == 0 {
		t.Fatal("synchronous=OFF went unnoticed")
	}
	if rep := crashed(t, CrashConfig{Rounds: 5, Seed: 3, Power: true, work: "bare", sync: "FULL"}); rep.Lost != 0 {
		t.Fatalf("the recorder forgets what was synced: %+v", rep)
	}
}

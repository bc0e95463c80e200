package access

import (
	"testing"

	"surety/kernel/ident"
)

// Every state with every event. Only an open approval moves.
func TestApprovalMoves(t *testing.T) {
	states := []ApprovalState{Open, Used, Withdrawn, Superseded, Expired}
	want := map[approvalEvent]ApprovalState{
		evSign: Open, evUse: Used, evWithdraw: Withdrawn, evSupersede: Superseded, evExpire: Expired,
	}
	for _, s := range states {
		for e, to := range want {
			got, err := next(s, e)
			if s == Open {
				if err != nil || got != to {
					t.Errorf("%s, %s: got %s %v, want %s", s, e, got, err, to)
				}
				continue
			}
			if ident.CodeOf(err) != "approval_"+string(s) || ident.KindOf(err) != ident.KindState || got != s {
				t.Errorf("%s, %s: got %s %v, want it refused", s, e, got, err)
			}
		}
	}
}

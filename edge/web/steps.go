package web

import (
	"context"
	"time"

	"github.com/a-h/templ"
)

// StepState is where a step of a life stands.
type StepState string

// The states of a step.
const (
	StepDone    StepState = "done"
	StepNow     StepState = "now"
	StepNext    StepState = "next"
	StepLate    StepState = "late"    // promised, not done, time over
	StepStopped StepState = "stopped" // it ended here: refused, taken back
)

// Step is one step of a life, of a claim or a payment.
type Step struct {
	Label    string
	State    StepState
	Kept     time.Time       // when it was done; zero if it is not
	Promised time.Time       // by when it is or was promised; zero if nothing was
	Owner    string          // who holds the ball while it is now
	Note     string          // one sentence
	Body     templ.Component // more, nil for none
}

// StepsProps make a line of steps.
type StepsProps struct {
	Label string // read aloud: "The life of your claim"
	Items []Step
	Line  bool // in one line at the top of a console page; else one under another
}

// stepMeaning gives a state its shape.
func stepMeaning(s StepState) Meaning {
	switch s {
	case StepDone:
		return Good
	case StepNow:
		return Waiting
	case StepLate:
		return Danger
	case StepStopped:
		return Held
	}
	return Plain
}

func stepClass(s StepState) string {
	switch s {
	case StepDone, StepNow, StepLate, StepStopped:
		return "step is-" + string(s)
	}
	return "step is-next"
}

// stepPromise is the sentence about a step's promised time: a kept promise says
// whether it was in time, an open one by when, a broken one what it was.
func stepPromise(ctx context.Context, s Step) string {
	switch {
	case s.Promised.IsZero():
		return ""
	case !s.Kept.IsZero() && s.Kept.After(s.Promised):
		return Say(ctx, "step.too_late") + " (" + When(ctx, s.Promised) + ")"
	case !s.Kept.IsZero():
		return Say(ctx, "step.in_time")
	case s.State == StepLate:
		return Say(ctx, "step.was_promised", When(ctx, s.Promised))
	}
	return Say(ctx, "step.promised", When(ctx, s.Promised))
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"surety/app"
	"surety/domain/rulebook"
	"surety/kernel/boost"
	"surety/kernel/ident"
)

type trainCmd struct {
	place    `embed:""`
	span     `embed:""`
	Pack     string  `help:"The pack that defines the features: a file, or the SHA-256 of a kept one; the running one if empty."`
	Name     string  `help:"Name of the model." default:"trained"`
	Trees    int     `help:"Trees, at most." default:"300"`
	Depth    int     `help:"Depth of a tree." default:"4"`
	Rate     float64 `help:"Learning rate." default:"0.05"`
	Rows     float64 `help:"Share of the payments that each tree sees." default:"1"`
	Columns  float64 `help:"Share of the features that each tree sees." default:"1"`
	Stop     int     `help:"Stop after so many trees without a better result on the latest part; 0: never." default:"30"`
	Bins     int     `help:"Bins of a feature." default:"256"`
	Seed     uint64  `help:"The same seed, history and settings give the same model." default:"1"`
	Threads  int     `help:"Processors to use; it cannot be seen in the model." default:"2"`
	Delay    int     `help:"Days after which a payment that nobody has reported counts as in order." default:"7"`
	Test     float64 `help:"The latest share of the span, which judges the model." default:"0.2"`
	Ordinary float64 `help:"Share of the ordinary payments to learn from, with a greater weight each." default:"1"`
	Out      string  `help:"Also write the model to this file (XGBoost JSON)." type:"path"`
	Export   string  `help:"Write the training set to this CSV file and train nothing." type:"path"`
	Dry      bool    `help:"Do not keep the model as a candidate."`
	JSON     bool    `help:"Print one JSON object."`
}

// Help says what it does to a house that is being served.
func (c *trainCmd) Help() string {
	return `It learns from the payments of the house and what became of them: features as the engine would have seen them, labels as
they were known by then. The model is kept as a candidate; two people make it champion. A server on the same database goes on:
this reads, and writes one entry in the audit log and, at the end, the model.`
}

// Run trains, or writes the training set.
func (c *trainCmd) Run(e *env) error {
	in, err := c.input()
	if err != nil {
		return err
	}
	return e.beside(c.place, func(a *app.App) error {
		actor := ident.Job("surety train")
		if c.Export != "" {
			return c.export(e, a, actor, in.SetIn)
		}
		var bars struct {
			phase rulebook.Phase
			bar   *bar
		}
		rep, err := a.Rulebook.Train(e.ctx, actor, in, func(p rulebook.Phase, done, total int) {
			if bars.bar == nil || bars.phase != p {
				if bars.bar != nil {
					bars.bar.done()
				}
				bars.phase, bars.bar = p, newBar(e.err, string(p))
			}
			bars.bar.set(done, total)
		})
		if bars.bar != nil {
			bars.bar.done()
		}
		if err != nil {
			return err
		}
		if c.Out != "" {
			if err := os.WriteFile(c.Out, rep.File, 0o600); err != nil {
				return err
			}
		}
		if c.JSON {
			return e.print(rep)
		}
		tellTraining(e.out, rep)
		return nil
	})
}

func (c *trainCmd) input() (in rulebook.TrainIn, err error) {
	in = rulebook.TrainIn{Name: c.Name, Test: c.Test, Keep: !c.Dry, SetIn: rulebook.SetIn{Pack: c.Pack, Ordinary: c.Ordinary,
		Delay: time.Duration(c.Delay) * 24 * time.Hour}, Trees: boost.Train{Trees: c.Trees, Depth: c.Depth, Rate: c.Rate, RowShare: c.Rows,
		ColShare: c.Columns, Stop: c.Stop, Bins: c.Bins, Seed: c.Seed, Threads: c.Threads, Calibrate: true, Refit: true}}
	if in.From, in.To, err = c.times(); err != nil {
		return in, err
	}
	text, found, err := fileOr(c.Pack)
	if found {
		in.Pack, in.Text = "", string(text)
	}
	return in, err
}

// export streams the training set; half a file looks like half a file: its last
// line says how many rows there are.
func (c *trainCmd) export(e *env, a *app.App, actor ident.Actor, in rulebook.SetIn) (err error) {
	f, err := os.OpenFile(c.Export, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	rows, frauds := 0, 0
	bar := newBar(e.err, string(rulebook.PhaseHistory))
	err = a.Rulebook.TrainingSet(e.ctx, actor, in, func(names []string) error {
		_, err := fmt.Fprintf(w, "payment,at,payer,weight,%s,fraud\n", strings.Join(names, ","))
		return err
	}, func(r *rulebook.Row) error {
		rows++
		if r.Fraud {
			frauds++
		}
		return writeRow(w, r)
	}, bar.set)
	bar.done()
	if err = errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if c.JSON {
		return e.print(map[string]any{"file": c.Export, "rows": rows, "frauds": frauds})
	}
	fmt.Fprintf(e.out, "%d payments, %d of them thefts, are in %s.\n", rows, frauds, c.Export)
	return nil
}

// writeRow writes one line; a missing value is empty.
func writeRow(w *bufio.Writer, r *rulebook.Row) error {
	b := append(w.AvailableBuffer(), r.Payment...)
	b = append(b, ',')
	b = r.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, ',')
	b = strconv.AppendUint(b, r.Payer, 16)
	b = append(b, ',')
	b = strconv.AppendFloat(b, r.Weight, 'g', -1, 64)
	for _, x := range r.Features {
		b = append(b, ',')
		if !math.IsNaN(x) {
			b = strconv.AppendFloat(b, x, 'g', -1, 64)
		}
	}
	b = append(b, ',', '0', '\n')
	if r.Fraud {
		b[len(b)-2] = '1'
	}
	_, err := w.Write(b)
	return err
}

// tellTraining prints what came of it.
func tellTraining(w io.Writer, r rulebook.TrainReport) {
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	fmt.Fprintf(w, "Learned from   %d payments, %d thefts, %s to %s; %d features\n", r.Rows, r.Frauds, day(r.From), day(r.TrainTo), r.Features)
	fmt.Fprintf(w, "Judged by      %d payments, %d thefts, %s to %s, which it never saw\n", r.Test.Payments, r.Test.Frauds,
		day(r.TestFrom), day(r.To))
	fmt.Fprintf(w, "Model          %d trees of depth %d\n", r.Trees, r.Depth)
	if r.Test.Enough {
		fmt.Fprintf(w, "\nAverage precision  %.3f\nAUC                %.3f\nCard precision@100 %.3f\nLog loss           %.5f\n",
			r.Test.AP, r.Test.AUC, r.Test.CardPrecision, r.Test.LogLoss)
		fmt.Fprintf(w, "Cost               %d, with no model %d (minor units)\n", r.Test.Cost, r.Test.CostNothing)
		fmt.Fprintf(w, "\n%-26s %9s %10s %10s\n", "Probability", "payments", "said", "true")
		for _, d := range r.Test.Calibration {
			fmt.Fprintf(w, "%.6f to %.6f     %9d %10.5f %10.5f\n", d.Low, d.High, d.Payments, d.Said, d.True)
		}
	} else {
		fmt.Fprintf(w, "\nToo few thefts or ordinary payments to judge it by.\n")
	}
	if len(r.Important) > 0 {
		fmt.Fprintf(w, "\n%-40s %s\n", "What it looks at most", "share of gain")
		for _, i := range r.Important {
			fmt.Fprintf(w, "%-40s %.3f %s\n", i.Feature, i.Share, strings.Repeat("█", int(i.Share*40)))
		}
	}
	if r.Kept {
		fmt.Fprintf(w, "\nKept as candidate %s.\n", r.SHA256)
	}
}

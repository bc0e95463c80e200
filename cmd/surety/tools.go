package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"surety/app"
	"surety/domain/notice"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/ledger"
)

// with opens the house, runs fn and closes it.
func (e *env) with(p place, fn func(a *app.App) error) error {
	a, err := app.Open(e.ctx, p.config(e.log))
	if err != nil {
		return err
	}
	return errors.Join(fn(a), a.Close())
}

type migrateCmd struct {
	place `embed:""`
}

// Run brings the database forward: opening does.
func (c *migrateCmd) Run(e *env) error {
	return e.with(c.place, func(a *app.App) error {
		fmt.Fprintf(e.out, "The database is up to date; %d payments replayed.\n", a.Replayed)
		return nil
	})
}

type staffCmd struct {
	place `embed:""`
	Email string `arg:"" help:"E-mail address to sign in with."`
	Name  string `arg:"" help:"Name, as it stands in the records."`
}

// Run makes the first administrator; the password is read from standard input,
// so that it is in no list of processes and no history.
func (c *staffCmd) Run(e *env) error {
	return e.with(c.place, func(a *app.App) error {
		fmt.Fprintln(e.err, "Password (at least 12 characters), then Enter:")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n') // a passphrase may hold spaces
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("no password on standard input: %w", err)
		}
		s, err := a.Access.Bootstrap(e.ctx, c.Email, c.Name, strings.TrimRight(line, "\r\n"))
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s is the first administrator (%s).\n", s.Name, s.ID)
		return nil
	})
}

type importCmd struct {
	place `embed:""`
	What  string `arg:"" enum:"accounts,payments" help:"accounts or payments."`
	File  string `arg:"" type:"existingfile" help:"The host's CSV export."`
	JSON  bool   `help:"Print one JSON object."`
}

// Run imports as the host's own program would, through the same code as the API.
func (c *importCmd) Run(e *env) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	actor := ident.Actor{Kind: ident.System, ID: "import", Name: "surety import"}
	return e.with(c.place, func(a *app.App) error {
		var rep any
		var refused []*ident.Error
		if c.What == "accounts" {
			r, err := a.Party.ImportAccounts(e.ctx, actor, f)
			if rep, refused = r, r.Refused; err != nil && len(refused) == 0 {
				return err
			}
		} else {
			bar := newBar(e.err, "payments")
			r, err := a.Payment.ImportCSV(e.ctx, actor, f, bar.set)
			bar.done()
			if rep, refused = r, r.Refused; err != nil && len(refused) == 0 {
				return err
			}
		}
		for _, bad := range refused {
			fmt.Fprintf(e.err, "%s row %d, %s: %s\n", filepath.Base(c.File), bad.Row, bad.Field, bad.Message)
		}
		if len(refused) > 0 {
			fmt.Fprintf(e.err, "Nothing was written: %d rows are wrong.\n", len(refused))
			return errQuiet
		}
		if c.JSON {
			return e.print(rep)
		}
		fmt.Fprintf(e.out, "%+v\n", rep)
		return nil
	})
}

type verifyCmd struct {
	Data        verifyDataCmd        `cmd:"" default:"withargs" help:"Check every invariant of a data directory."`
	Certificate verifyCertificateCmd `cmd:"" help:"Check a certificate (PDF) without the database."`
}

type verifyDataCmd struct {
	place `embed:""`
	Kept  []string `type:"existingfile" help:"Signed heads that were kept elsewhere (see surety export head)."`
	JSON  bool     `help:"Print one JSON object."`
}

// Run checks everything and says what it found; exit code 1 if anything.
func (c *verifyDataCmd) Run(e *env) error {
	return e.with(c.place, func(a *app.App) error {
		var kept []audit.Head
		for _, file := range c.Kept {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			h, err := audit.ParseHead(string(b), a.Verifier)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			kept = append(kept, h)
		}
		rep, err := a.Verify(e.ctx, kept...)
		if err != nil {
			return err
		}
		if c.JSON {
			if err := e.print(rep); err != nil {
				return err
			}
		} else {
			rep.Tell(e.out)
		}
		if !rep.OK {
			return errQuiet
		}
		return nil
	})
}

type verifyCertificateCmd struct {
	File string `arg:"" type:"existingfile" help:"The certificate's PDF."`
	Key  string `required:"" help:"The operator's public key: the file certificate.pub." type:"existingfile"`
	JSON bool   `help:"Print one JSON object."`
}

// Run checks one certificate off line.
func (c *verifyCertificateCmd) Run(e *env) error {
	pdf, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	key, err := notice.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", c.Key, err)
	}
	cert, err := notice.VerifyCertificate(pdf, key)
	if err != nil {
		return fmt.Errorf("%s is NOT a genuine certificate: %w", c.File, err)
	}
	if c.JSON {
		return e.print(cert)
	}
	fmt.Fprintf(e.out, "Genuine. %s paid %s to %s, account %s, on %s. Certificate %s.\n", cert.Operator, cert.Amount,
		cert.PayeeName, cert.BankAccountMasked, cert.PaidAt.Format("2006-01-02 15:04 MST"), cert.Number)
	return nil
}

type exportCmd struct {
	place `embed:""`
	What  string `arg:"" enum:"hledger,beancount,head" help:"hledger, beancount, or head (the audit log's signed head)."`
}

// Run writes to standard output; what leaves the house is recorded.
func (c *exportCmd) Run(e *env) error {
	return e.with(c.place, func(a *app.App) error {
		actor := ident.Job("surety export")
		if err := a.Access.Update(e.ctx, actor, access.ActBooksExport, access.Object{ID: c.What}, nil, nothing); err != nil {
			return err
		}
		switch c.What {
		case "hledger":
			return ledger.ExportHledger(e.ctx, a.DB, e.out)
		case "beancount":
			return ledger.ExportBeancount(e.ctx, a.DB, e.out)
		}
		_, err := a.Audit.ExportHead(e.ctx, e.out)
		return err
	})
}

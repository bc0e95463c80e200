package ledger

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"surety/kernel/money"
	"surety/platform/db"
)

// Names in the exports. Both programs want a tree under a root; beancount wants
// each part to begin with a capital or a digit and to hold only letters, digits
// and hyphens. A Debit-normal account comes under Assets, a Credit-normal one
// under Liabilities, for the ledger knows no more of it than its side. The parts
// are those between the colons of the id, written so that two ids never meet:
//
//	"-" is "--", "_" is "-u", "." is "-d" in any place
//	a part that begins with a small letter gets it as a capital: fund is Fund
//	a part that begins with a capital gets "0-c" in front: Fund is 0-cFund
//	a part that begins with - _ or . gets "0-s" in front
//	an empty part is "0-e"
func exportName(id string, side Side) string {
	root := "Assets"
	if side == Credit {
		root = "Liabilities"
	}
	parts := strings.Split(id, ":")
	for i, p := range parts {
		parts[i] = exportPart(p)
	}
	return root + ":" + strings.Join(parts, ":")
}

var exportEscapes = strings.NewReplacer("-", "--", "_", "-u", ".", "-d")

func exportPart(p string) string {
	escaped := exportEscapes.Replace(p)
	switch {
	case p == "":
		return "0-e"
	case p[0] >= 'a' && p[0] <= 'z':
		return string(p[0]-'a'+'A') + escaped[1:]
	case p[0] >= 'A' && p[0] <= 'Z':
		return "0-c" + escaped
	case p[0] >= '0' && p[0] <= '9':
		return escaped
	}
	return "0-s" + escaped
}

// format is what differs between the two programs.
type format struct {
	head     string
	currency func(c money.Currency) string
	account  func(name string, a Account) string
	movement func(t Transfer, debit, credit string) string
}

// ExportHledger writes the posted movements as a journal for hledger, with the
// account and commodity directives of its strict check; pendings, voids and
// expiries are comments. A semicolon in a memo becomes a full-width one.
func ExportHledger(ctx context.Context, d *db.DB, w io.Writer) error {
	return export(ctx, d, w, format{
		head: "; The books as a journal for hledger. Debits are positive.\n",
		currency: func(c money.Currency) string {
			sample := money.Of(0, c).Plain()
			if !strings.Contains(sample, ".") {
				sample += "."
			}
			return "commodity " + sample + " " + string(c) + "\n"
		},
		account: func(name string, a Account) string { return "account " + name + "  ; id: " + a.ID + "\n" },
		movement: func(t Transfer, debit, credit string) string {
			text := strings.TrimSpace(string(t.Code) + " | " + strings.ReplaceAll(t.Memo, ";", "；"))
			return fmt.Sprintf("\n%s (%s) %s\n    ; ref: %s\n    %s  %s %s\n    %s  -%s %s\n",
				t.At.Format(time.DateOnly), t.ID, text, t.Ref,
				debit, t.Amount.Plain(), t.Amount.Currency, credit, t.Amount.Plain(), t.Amount.Currency)
		},
	})
}

// ExportBeancount writes the same for beancount, with open directives.
func ExportBeancount(ctx context.Context, d *db.DB, w io.Writer) error {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
	return export(ctx, d, w, format{
		head: "; The books for beancount. Debits are positive.\noption \"title\" \"Surety\"\n",
		currency: func(c money.Currency) string {
			return "option \"operating_currency\" \"" + string(c) + "\"\n1970-01-01 commodity " + string(c) + "\n"
		},
		account: func(name string, a Account) string {
			return fmt.Sprintf("1970-01-01 open %s %s\n  id: \"%s\"\n", name, a.Currency, a.ID)
		},
		movement: func(t Transfer, debit, credit string) string {
			return fmt.Sprintf("\n%s * \"%s\" \"%s\"\n  id: \"%s\"\n  ref: \"%s\"\n  %s  %s %s\n  %s  -%s %s\n",
				t.At.Format(time.DateOnly), t.Code, quote(t.Memo), t.ID, t.Ref,
				debit, t.Amount.Plain(), t.Amount.Currency, credit, t.Amount.Plain(), t.Amount.Currency)
		},
	})
}

// export writes declarations, then the journal as one statement sees it, then
// the declarations of accounts that were opened meanwhile.
func export(ctx context.Context, d *db.DB, w io.Writer, f format) error {
	return d.View(ctx, func(tx *db.Tx) error {
		out := bufio.NewWriter(w)
		out.WriteString(f.head)
		names, currencies := map[string]string{}, map[money.Currency]bool{}
		declare := func() error {
			return tx.Rows("select "+accountColumns+" from ledger_accounts a order by a.id", nil,
				func(scan func(...any) error) error {
					a, _, err := scanAccount(scan)
					if err != nil || names[a.ID] != "" {
						return err
					}
					if !currencies[a.Currency] {
						currencies[a.Currency] = true
						out.WriteString(f.currency(a.Currency))
					}
					names[a.ID] = exportName(a.ID, a.Side)
					_, err = out.WriteString(f.account(names[a.ID], a))
					return err
				})
		}
		if err := declare(); err != nil {
			return err
		}
		// An account opened after the first statement has no name yet: its side is
		// read with the transfer.
		q := "select " + transferColumns + `, d.side, c.side from ledger_transfers t
			join ledger_accounts d on d.id = t.debit join ledger_accounts c on c.id = t.credit order by t.at, t.id`
		err := tx.Rows(q, nil, func(scan func(...any) error) error {
			var debit, credit Side
			t, err := scanTransfer(scan, &debit, &credit)
			if err != nil {
				return err
			}
			_, err = out.WriteString(exportTransfer(t, f, exportName(t.Debit, debit), exportName(t.Credit, credit)))
			return err
		})
		if err != nil {
			return err
		}
		if err := declare(); err != nil {
			return err
		}
		return out.Flush()
	})
}

func exportTransfer(t Transfer, f format, debit, credit string) string {
	if t.Kind == Single || t.Kind == Post {
		return f.movement(t, debit, credit)
	}
	return fmt.Sprintf("\n; %s %s %s of %s: %s to %s\n", t.At.Format(time.DateOnly), t.Kind, t.ID, t.Amount, debit, credit)
}

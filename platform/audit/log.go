package audit

import (
	"embed"
	"io/fs"

	"golang.org/x/mod/sumdb/note"

	"surety/kernel/ident"
	"surety/platform/db"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(files)

// sealKey is the name under which the log's sealer is known to the database.
const sealKey = "audit"

// Config is what New needs; all of it.
type Config struct {
	DB       *db.DB
	Clock    ident.Clock
	IDs      *ident.Maker
	Signer   note.Signer
	Verifier note.Verifier
}

// Log is the audit log. It is safe for many goroutines and processes.
type Log struct {
	db       *db.DB
	clock    ident.Clock
	ids      *ident.Maker
	signer   note.Signer
	verifier note.Verifier
}

// New returns the log and registers its sealer with the database: call it
// while wiring, before the first Update.
func New(cfg Config) (*Log, error) {
	missing := ""
	switch {
	case cfg.DB == nil:
		missing = "DB"
	case cfg.Clock == nil:
		missing = "Clock"
	case cfg.IDs == nil:
		missing = "IDs"
	case cfg.Signer == nil:
		missing = "Signer"
	case cfg.Verifier == nil:
		missing = "Verifier"
	}
	if missing != "" {
		return nil, ident.E(ident.KindInternal, "audit_config", "the audit log cannot start without %s", missing)
	}
	if cfg.Signer.Name() != cfg.Verifier.Name() || cfg.Signer.KeyHash() != cfg.Verifier.KeyHash() {
		return nil, ident.E(ident.KindInternal, "audit_keys", "the audit log's signer and verifier are not of one key")
	}
	l := &Log{db: cfg.DB, clock: cfg.Clock, ids: cfg.IDs, signer: cfg.Signer, verifier: cfg.Verifier}
	cfg.DB.OnSeal(sealKey, seal)
	return l, nil
}

package sim

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// pgCopies makes databases on a server from a template, so that each round
// begins with the same prepared house.
type pgCopies struct {
	admin *sql.DB
	url   *url.URL
	name  string
}

func newPGCopies(ctx context.Context, admin string) (*pgCopies, error) {
	u, err := url.Parse(admin)
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL URL cannot be read: %w", err)
	}
	h, err := sql.Open("pgx", admin)
	if err != nil {
		return nil, err
	}
	h.SetMaxOpenConns(1)
	p := &pgCopies{admin: h, url: u, name: fmt.Sprintf("surety_crash_%d", os.Getpid())}
	p.drop(ctx, "tpl")
	if _, err := h.ExecContext(ctx, "create database "+p.name+"_tpl"); err != nil {
		return nil, fmt.Errorf("this user may not make databases: %w", err)
	}
	return p, nil
}

func (p *pgCopies) at(name string) string {
	u := *p.url
	u.Path = "/" + p.name + "_" + name
	return u.String()
}

func (p *pgCopies) template() string { return p.at("tpl") }

func (p *pgCopies) copy(ctx context.Context, name string) (string, error) {
	p.drop(ctx, name)
	_, err := p.admin.ExecContext(ctx, "create database "+p.name+"_"+name+" template "+p.name+"_tpl")
	return p.at(name), err
}

// drop removes a copy; what cannot be removed goes with the server.
func (p *pgCopies) drop(ctx context.Context, name string) {
	_, _ = p.admin.ExecContext(ctx, "drop database if exists "+p.name+"_"+name+" with (force)")
}

func (p *pgCopies) close(ctx context.Context) {
	p.drop(ctx, "tpl")
	_ = p.admin.Close()
}

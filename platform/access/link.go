package access

import (
	"context"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// How long a link may be good for: minutes if the wallet's app opens it, days if
// it goes to a victim or an heir by message.
const (
	linkTTL    = 10 * time.Minute
	maxLinkTTL = 7 * 24 * time.Hour
)

// NewLink makes a token with which a customer enters the portal once, within
// ttl (10 minutes if zero, at most 7 days). It is not kept: if the answer is
// lost, make another.
func (a *Access) NewLink(ctx context.Context, actor ident.Actor, party ident.ID,
	ttl time.Duration) (token string, err error) {
	if err := ident.CheckID("party", party); err != nil {
		return "", err
	}
	if ttl == 0 {
		ttl = linkTTL
	}
	if ttl < 0 || ttl > maxLinkTTL {
		return "", ident.Invalid("ttl", "ttl_out_of_range", "a link is good for up to %s, not %s", maxLinkTTL, ttl)
	}
	if token, err = a.random(); err != nil {
		return "", err
	}
	id, now := a.ids.New("lnk"), a.clock.Now()
	detail := map[string]any{"link": id, "expires": now.Add(ttl)}
	err = a.Update(ctx, actor, ActLinkCreate, Object{ID: party, Owner: party}, detail, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into portal_links (token_hash, id, party, made_by, made_at, expires_at)
			values ($1, $2, $3, $4, $5, $6)`,
			tokenHash(token), id, party, actor.ID, ident.Micros(now), ident.Micros(now.Add(ttl)))
		return err
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// ByLink spends a link and opens a customer's session; it returns the session's
// token. A link that is spent, too old or made up is KindUnsignedIn, all alike.
func (a *Access) ByLink(ctx context.Context, token string) (session string, err error) {
	session, row, err := a.newSession(ident.Customer, "", 0)
	if err != nil {
		return "", err
	}
	now := ident.Micros(a.clock.Now())
	err = a.Run(ctx, func(tx *db.Tx) error {
		found, err := tx.Row([]any{&row.subject}, `update portal_links set used_at = $1
			where token_hash = $2 and used_at = 0 and expires_at > $1 returning party`, now, tokenHash(token))
		if err != nil {
			return err
		}
		if !found {
			return refuse(ident.E(ident.KindUnsignedIn, "link_spent",
				"this link has been used or is too old; open the page from your wallet again"),
				ident.Actor{}, ActSessionOpen, "", nil)
		}
		if err := insertSession(tx, row); err != nil {
			return err
		}
		return a.log(tx, customer(row.subject, row.id), ActSessionOpen, row.subject, nil)
	})
	if err != nil {
		return "", err
	}
	return session, nil
}

package access

import (
	"context"
	"crypto/sha256"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// How long things last.
const (
	staffIdle    = 15 * time.Minute // PCI DSS 8.2.8
	customerIdle = 30 * time.Minute
	sessionLife  = 12 * time.Hour
	touchEvery   = time.Minute // a session's last use is written at most so often

	tryWindow = 30 * time.Minute
	maxTries  = 10

	keptAfter = 30 * 24 * time.Hour // what Sweep leaves for questions
)

// try is one look at a password: it has taken a slot of its address, and gives
// it back only in the transaction that uses the success.
type try struct {
	staff staffRow
	email []byte
	slot  int64
	at    int64
}

// try checks an address and password. A wrong pair is KindUnsignedIn and too
// many are KindLimit; both are logged. The slot is taken and committed before
// the password is looked at, and the hashing is outside of any transaction.
func (a *Access) try(ctx context.Context, email, password string) (try, error) {
	if normal, err := normalEmail(email); err == nil {
		email = normal
	}
	sum := sha256.Sum256([]byte(email))
	t := try{email: sum[:]}
	now := a.clock.Now()
	err := a.Run(ctx, func(tx *db.Tx) (err error) {
		if t.staff, _, err = staffByEmail(tx, email); err != nil {
			return err
		}
		t.at = ident.Micros(now)
		free := time.Time{}
		if t.slot, free, err = takeTry(tx, t.email, now); err != nil || free.IsZero() {
			return err
		}
		return refuse(ident.E(ident.KindLimit, "too_many_tries",
			"there were %d failed tries for this address; try again after %s UTC", maxTries,
			free.Add(time.Second-1).Format("2006-01-02 15:04:05")), ident.Actor{}, ActSessionOpen, t.staff.ID, nil)
	})
	if err != nil {
		return t, err
	}
	phc := t.staff.phc
	if t.staff.ID == "" {
		phc = a.decoy // an unknown address takes as long as a known one
	}
	ok, err := a.matches(ctx, password, phc)
	if err != nil {
		return t, err
	}
	if !ok || t.staff.ID == "" || !t.staff.Disabled.IsZero() {
		return t, a.record(ctx, refuse(ident.E(ident.KindUnsignedIn, "sign_in_failed",
			"the e-mail address or the password is wrong"), ident.Actor{}, ActSessionOpen, t.staff.ID, nil))
	}
	return t, nil
}

// giveBack frees the slot: only failed tries count.
func (t try) giveBack(tx *db.Tx) error {
	_, err := tx.Exec("delete from staff_tries where email_hash = $1 and slot = $2 and at = $3", t.email, t.slot, t.at)
	return err
}

// SignIn opens a session for a member of staff and returns its token, which is
// not kept: put it in a cookie (Secure, HttpOnly, SameSite).
func (a *Access) SignIn(ctx context.Context, email, password string) (token string, err error) {
	t, err := a.try(ctx, email, password)
	if err != nil {
		return "", err
	}
	token, row, err := a.newSession(ident.Staff, t.staff.ID, t.staff.epoch)
	if err != nil {
		return "", err
	}
	err = a.Run(ctx, func(tx *db.Tx) error {
		if err := t.giveBack(tx); err != nil {
			return err
		}
		// The session is worth nothing if the epoch has moved meanwhile.
		if err := insertSession(tx, row); err != nil {
			return err
		}
		return a.log(tx, t.staff.actor(row.id), ActSessionOpen, t.staff.ID, nil)
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

func (s staffRow) actor(session ident.ID) ident.Actor {
	return ident.Actor{Kind: ident.Staff, ID: s.ID, Name: s.Name, Roles: s.Roles, Session: session}
}

// sessionRow is a session as it is stored.
type sessionRow struct {
	hash    []byte
	id      ident.ID
	kind    ident.ActorKind
	subject ident.ID
	epoch   int64
	opened  time.Time
	seen    time.Time
	expires time.Time
	ended   bool
}

func (a *Access) newSession(kind ident.ActorKind, subject ident.ID, epoch int64) (string, sessionRow, error) {
	token, err := a.random()
	if err != nil {
		return "", sessionRow{}, err
	}
	now := a.clock.Now()
	return token, sessionRow{
		hash: tokenHash(token), id: a.ids.New("ses"), kind: kind, subject: subject, epoch: epoch,
		opened: now, seen: now, expires: now.Add(sessionLife),
	}, nil
}

// tokenHash needs no salt and no slowness: a token has 256 random bits. Looking
// it up by its hash also makes the time of the lookup say nothing about it.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Session returns who a token stands for, with the roles of this moment, or
// KindUnsignedIn. It writes at most once a minute, to remember that the session
// is in use; that is not an act and is not logged.
func (a *Access) Session(ctx context.Context, token string) (ident.Actor, error) {
	var s sessionRow
	var who staffRow
	err := a.db.View(ctx, func(tx *db.Tx) (err error) {
		if s, err = sessionByHash(tx, tokenHash(token)); err != nil || s.kind != ident.Staff {
			return err
		}
		who, _, err = staffByID(tx, s.subject)
		return err
	})
	if err != nil {
		return ident.Actor{}, err
	}
	now := a.clock.Now()
	if !s.alive(now, who) {
		return ident.Actor{}, ident.E(ident.KindUnsignedIn, "session_ended", "your session has ended; sign in again")
	}
	if now.Sub(s.seen) >= touchEvery {
		if err := a.db.Update(ctx, func(tx *db.Tx) error { return touchSession(tx, s.hash, now) }); err != nil {
			return ident.Actor{}, err
		}
	}
	if s.kind == ident.Customer {
		return customer(s.subject, s.id), nil
	}
	return who.actor(s.id), nil
}

// alive says whether a session still stands; who is its member of staff.
func (s sessionRow) alive(now time.Time, who staffRow) bool {
	idle := customerIdle
	if s.kind == ident.Staff {
		idle = staffIdle
		if who.ID == "" || !who.Disabled.IsZero() || who.epoch != s.epoch {
			return false
		}
	}
	return s.id != "" && !s.ended && now.Before(s.expires) && now.Before(s.seen.Add(idle))
}

func customer(party, session ident.ID) ident.Actor {
	return ident.Actor{Kind: ident.Customer, ID: party, Roles: roles{ident.RoleCustomer}, Session: session}
}

// SignOut ends the session of a token. A session that is over stays over: no error.
func (a *Access) SignOut(ctx context.Context, token string) error {
	now := a.clock.Now()
	return a.db.Update(ctx, func(tx *db.Tx) error {
		hash := tokenHash(token)
		s, err := sessionByHash(tx, hash)
		if err != nil || s.id == "" {
			return err
		}
		n, err := endSession(tx, hash, now)
		if err != nil || n == 0 {
			return err
		}
		return a.log(tx, ident.Actor{Kind: s.kind, ID: s.subject, Session: s.id}, ActSessionClose, s.subject, nil)
	})
}

// Sweep deletes sessions and links that ended more than 30 days ago and returns
// how many. A daily job calls it.
func (a *Access) Sweep(ctx context.Context, actor ident.Actor) (n int64, err error) {
	before := ident.Micros(a.clock.Now().Add(-keptAfter))
	err = a.Update(ctx, actor, ActSessionSweep, Object{}, nil, func(tx *db.Tx) error {
		n = 0
		for _, table := range []string{"sessions", "portal_links"} {
			gone, err := tx.Exec("delete from "+table+" where expires_at < $1", before)
			if err != nil {
				return err
			}
			n += gone
		}
		return nil
	})
	return n, err
}

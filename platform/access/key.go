package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Key is an API key without its secret.
type Key struct {
	ID      ident.ID // key_…
	Name    string
	Roles   []ident.Role
	MadeBy  ident.ID
	Made    time.Time
	Revoked time.Time // zero if it works
}

// NewKey makes an API key with roles of host, analyst and compliance, and returns
// its secret, which is shown this once and not kept: if the answer is lost, make
// another and revoke the first. KeyID tells the id.
func (a *Access) NewKey(ctx context.Context, actor ident.Actor, name string,
	rs []ident.Role) (secret string, err error) {
	if name, err = normalName(name); err != nil {
		return "", err
	}
	if rs, err = normalRoles(rs, keyRoles); err != nil {
		return "", err
	}
	random, err := a.random()
	if err != nil {
		return "", err
	}
	id, now := a.ids.New("key"), a.clock.Now()
	secret = "sk_" + strings.TrimPrefix(id, "key_") + "_" + random
	err = a.Update(ctx, actor, ActKeyManage, Object{ID: id}, map[string]any{"roles": rs}, func(tx *db.Tx) error {
		_, err := tx.Exec(`insert into api_keys (id, secret_hash, name, roles, made_by, made_at)
			values ($1, $2, $3, $4, $5, $6)`, id, tokenHash(secret), name, joinRoles(rs), actor.ID, ident.Micros(now))
		return err
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// KeyID returns the id of the key that a secret belongs to, "" if it is none.
func KeyID(secret string) ident.ID {
	parts := strings.SplitN(secret, "_", 3)
	if len(parts) != 3 || parts[0] != "sk" || len(parts[1]) != 26 {
		return ""
	}
	return "key_" + parts[1]
}

// keyLife is how long a key that worked is believed without a look at the
// database: so long a key may work on that another process has revoked. One that
// this process revokes is dead at once.
const keyLife = time.Second

// maxKeys bounds the memory of keys. Only secrets that are right come into it, so
// nobody can fill it by guessing.
const maxKeys = 10_000

// keyCache remembers keys that worked, by the hash of their secrets.
type keyCache struct {
	mu    sync.RWMutex
	known map[[sha256.Size]byte]knownKey // guarded by mu
	turn  int64                          // how often a key was revoked here; guarded by mu
}

// knownKey is a key that worked at a time.
type knownKey struct {
	actor ident.Actor
	at    time.Time
}

// get finds a key that worked within the last second. A clock that went backwards
// prolongs nothing. turn is for put.
func (c *keyCache) get(hash [sha256.Size]byte, now time.Time) (actor ident.Actor, ok bool, turn int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.known[hash]
	age := now.Sub(k.at)
	return k.actor, ok && age >= 0 && age < keyLife, c.turn
}

// put keeps a key that worked, unless one was revoked since turn was told: what
// the database said may have been from before that.
func (c *keyCache) put(hash [sha256.Size]byte, actor ident.Actor, now time.Time, turn int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turn != turn {
		return
	}
	if c.known == nil || len(c.known) >= maxKeys {
		c.known = map[[sha256.Size]byte]knownKey{}
	}
	c.known[hash] = knownKey{actor, now}
}

// forget empties the memory.
func (c *keyCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	clear(c.known)
}

// ByKey returns who a secret stands for, or KindUnsignedIn. A key that worked is
// remembered for a second (keyLife); a wrong one is looked up and logged each time.
func (a *Access) ByKey(ctx context.Context, secret string) (ident.Actor, error) {
	sum := sha256.Sum256([]byte(secret))
	now := a.clock.Now()
	actor, ok, turn := a.keys.get(sum, now)
	if ok {
		return actor, nil
	}
	actor, err := a.lookUpKey(ctx, secret)
	if err == nil {
		a.keys.put(sum, actor, now, turn)
	}
	return actor, err
}

func (a *Access) lookUpKey(ctx context.Context, secret string) (ident.Actor, error) {
	id := KeyID(secret)
	var k Key
	var hash []byte
	err := a.db.View(ctx, func(tx *db.Tx) (err error) {
		k, hash = Key{}, nil
		return scanKeys(tx, "where id = $1", []any{id}, func(found Key, h []byte) { k, hash = found, h })
	})
	if err != nil {
		return ident.Actor{}, err
	}
	same := subtle.ConstantTimeCompare(tokenHash(secret), hash) == 1
	if !same || !k.Revoked.IsZero() {
		return ident.Actor{}, a.record(ctx, refuse(ident.E(ident.KindUnsignedIn, "key_wrong",
			"the API key is wrong or has been revoked"), ident.Actor{}, ActKeyUse, k.ID, nil))
	}
	return ident.Actor{Kind: ident.Key, ID: k.ID, Name: k.Name, Roles: k.Roles, Session: k.ID}, nil
}

// RevokeKey kills a key for good: in this process at once, in others within a
// second. Again is no error.
func (a *Access) RevokeKey(ctx context.Context, actor ident.Actor, id ident.ID) error {
	defer a.keys.forget() // also when the outcome is unknown
	now := ident.Micros(a.clock.Now())
	return a.Update(ctx, actor, ActKeyManage, Object{ID: id}, map[string]any{"revoked": true}, func(tx *db.Tx) error {
		n, err := tx.Exec("update api_keys set revoked_at = $1 where id = $2 and revoked_at = 0", now, id)
		if err != nil || n == 1 {
			return err
		}
		found := false
		err = scanKeys(tx, "where id = $1", []any{id}, func(Key, []byte) { found = true })
		if err == nil && !found {
			return Absent(ActKeyManage, id)
		}
		return err
	})
}

// Keys returns all keys, newest first. Call it in a View for ActKeyRead.
func (a *Access) Keys(tx *db.Tx) (out []Key, err error) {
	err = scanKeys(tx, "order by made_at desc, id desc", nil, func(k Key, _ []byte) { out = append(out, k) })
	return out, err
}

func scanKeys(tx *db.Tx, tail string, args []any, each func(k Key, hash []byte)) error {
	query := "select id, secret_hash, name, roles, made_by, made_at, revoked_at from api_keys " + tail
	return tx.Rows(query, args, func(scan func(...any) error) error {
		var k Key
		var hash []byte
		var rs string
		var made, revoked int64
		if err := scan(&k.ID, &hash, &k.Name, &rs, &k.MadeBy, &made, &revoked); err != nil {
			return err
		}
		k.Roles, k.Made, k.Revoked = splitRoles(rs), ident.FromMicros(made), ident.FromMicros(revoked)
		each(k, hash)
		return nil
	})
}

// May decides like Check, for an act that is made durable elsewhere and recorded
// afterwards by Record. A refusal is logged now; nil means that the actor may.
func (a *Access) May(ctx context.Context, actor ident.Actor, act Act, obj Object, detail any) error {
	if why := decide(actor, act, obj); why != nil {
		return a.record(ctx, refuse(why, actor, act, obj.ID, detail))
	}
	return nil
}

// Record appends an act to the audit log that May has permitted before. It decides
// nothing: what was permitted when it was done stays so, whatever the actor's roles
// are by now.
func (a *Access) Record(tx *db.Tx, actor ident.Actor, act Act, obj Object, detail any) error {
	return a.log(tx, actor, act, obj.ID, detail)
}

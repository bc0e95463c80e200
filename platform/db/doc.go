// Package db is the one doorway to SQLite and PostgreSQL: two verbs, View and
// Update, over one SQL text.
//
// How an Update travels: many callers hand their acts to the group committer;
// it opens one physical transaction, runs each act inside a savepoint of its
// own, lets the sealers (the audit log's head) write once for all of them, and
// commits. Each caller gets its own outcome. A hot row is so locked once a
// batch and a sync to disk is shared.
//
// Invariants:
//   - An act's outcome is told only after the commit that holds it is durable
//     (SQLite: WAL and synchronous=FULL, read back at start; PostgreSQL:
//     synchronous_commit on).
//   - An act that fails leaves nothing; its neighbours in the batch are kept.
//   - A batch is tried again only where nothing was written (deadlock, busy,
//     serialization). A commit whose answer was lost is KindUnknown.
//   - The first I/O error of a commit poisons the DB: no later act is
//     acknowledged, Failed() is closed, and the process is to exit. An fsync is
//     never retried, for the pages it failed on may be gone.
//   - The database never tells the time and never makes an id.
//
// What SQL may be used, so that the same text runs on both: $1…$n (each used),
// RETURNING, ON CONFLICT, partial unique indexes, CHECK, foreign keys, recursive
// CTEs, window functions, boolean, bigint, text, bytea. Not: FOR UPDATE, now(),
// LIKE, JSON operators, STRICT, SERIAL, sum() without cast(… as bigint).
//
// It is not an ORM and holds no SQL of any noun.
package db

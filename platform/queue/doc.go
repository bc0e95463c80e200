// Package queue keeps jobs: durable, with a due time, put in the caller's own
// transaction. Events between the nouns, deadlines and retries travel by it.
//
// A job's states and what moves it:
//
//	event     by                           ready   leased  done    dead
//	do        a Handle kind is worked      done    -       -       -
//	claim     an outside kind is taken     leased  -       -       -
//	complete  its handler succeeded        -       done    -       -
//	release   this process stops           -       ready   -       -
//	lapse     the lease ran out            -       ready*  -       -
//	fail      the handler failed           ready*  ready*  -       -
//	requeue   a person decides so          ready=  leased= refused ready
//
// (* dead when it has failed or lapsed too often; = nothing changes; - the
// guard of the statement misses and nothing happens.)
//
// Invariants:
//   - Put is part of the caller's transaction: no commit, no job; a job is
//     worked only after the commit. One kind and key is kept once, for ever.
//   - Handle: the effect and the word "done" are one transaction, so the effect
//     happens exactly once, whatever crashes and whatever answer is lost. Such
//     a job needs no lease: nothing is seen of it until it is done. Several jobs
//     may share a transaction; a job that fails is taken out and recorded alone.
//   - HandleOutside: the job is leased, then the world is called, then the
//     completion is written. It happens at least once: a handler must find out by
//     the job's id or key whether an earlier try got through (KindUnknown too is
//     tried again by the same job, never under another id).
//   - Each lease has an id of its own, and every later write is guarded by it:
//     whoever lost a lease can no longer settle the job. The context of the
//     handler ends at 3/4 of the lease, so a handler that heeds it never runs
//     beside its successor.
//   - No job is lost: a kind that nobody handles stays ready and is listed; a
//     job that keeps failing becomes dead, with its last error, and is requeued
//     by a person.
//   - Several processes on one database share the work: PostgreSQL by FOR UPDATE
//     SKIP LOCKED (allowed in this package only), SQLite by its single writer.
//
// Jobs of one process are started in order of due then id. Drain keeps that
// order strictly; Run keeps no order between kinds of Handle and HandleOutside.
//
// It is not a message broker, and not a place for personal data: a body holds
// ids, and the handler loads what they name.
package queue

// Package audit is the record that nobody can alter unseen: every act, done or
// refused, and every logged look at a customer's data, in a transparency log.
//
// How an entry travels: an act calls Append in its own transaction, which makes
// the leaf (a line of JSON) and hands it to the sealer; the sealer runs once
// for all acts of a physical transaction, takes consecutive indexes by one
// guarded update of the head row, hashes (RFC 6962) and writes leaves, tree and
// details. SignHead signs size and root (Ed25519, C2SP tlog-checkpoint); a
// signed head kept elsewhere is what makes a rewritten log visible.
//
// Invariants:
//   - An acknowledged act has its entry, once; a failed act has none: they share
//     one commit. Indexes count from 0 without a gap.
//   - The log holds no personal data, only ids and SHA-256(salt‖detail). Details
//     lie beside it and can be erased with their salts; the hashes stay true.
//     An erasure is an entry itself.
//   - Leaves and signed heads are never changed: triggers refuse it, and Verify
//     finds it where the triggers were removed.
//   - A head is signed only if the log still extends the head signed before.
//
// What Verify cannot see: entries after the last signed head that were rewritten
// together with all hashes above them (Report.Signed says how far signatures
// reach; sign often), and a log cut back behind every head of which a copy is
// kept. The time a head was signed is a note for people, it is not signed.
// Erasing takes a detail out of the tables; backups and freed pages of the
// database file keep it until they are overwritten.
//
// It is not a log for operators, and it does not decide who may do what: that
// is platform/access, through which all acts come here.
package audit

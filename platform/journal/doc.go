// Package journal is an append-only log on disk: what must be durable before it
// is answered, and is moved elsewhere in its own time.
//
// How a record travels: many callers hand records to Append; one committer
// gathers what has come while the disk was busy into a group, writes the group
// with one write, syncs once (fdatasync), and then answers all of them.
//
//	segment   "0000000000000000.seg", named by the position it begins at; a fixed
//	          size, filled with zeros and synced before it is used, so that a
//	          commit changes no size and finds no full disk
//	  header  512 bytes: magic, id of the journal, position, size, CRC-32C
//	  group   begins at a multiple of 512: magic, length, count, flags, position,
//	          CRC-32C; then the records; then at least four zero bytes
//	  record  length, CRC-32C, payload
//
// Positions count bytes from the first segment ever. Every checksum covers the
// position and the journal's id, so that what a reused file or another journal
// left behind is never taken for a record.
//
// Invariants:
//   - Append answers after its records are durable. All of one call are kept, or
//     none. A group never shares a 512-byte sector with one before it, so a write
//     cut off by a loss of power cannot touch what was acknowledged.
//   - The first error of a write or a sync poisons the journal: the callers under
//     way hear KindUnknown, later ones KindUnavailable, Failed is closed, and the
//     process is to exit. A sync is never retried, for the pages it failed on may
//     be gone. A disk too full for the next segment is no such error: nothing was
//     written, and the next Append tries again.
//   - A group is begun only after the one before it is durable. So a sound group
//     after a damaged one proves that the damaged one was acknowledged, and Open
//     refuses and names file and offset. What is damaged at the very end was
//     never acknowledged, and is cut off. To make that true of the last group as
//     well, an empty group follows it after a second of rest, and at Close.
//   - Open makes what it found durable before it says so: the last group is
//     written again and synced.
//   - One process at a time has the folder (a lock that ends with the process).
//
// What it cannot see: damage to the very last group in a crash within the second
// before the empty group follows it. Such a group is cut off like a torn one; its
// owner notices when it was already told elsewhere that the group existed.
//
// It knows nothing of what is in the records, and it is no database: there is no
// reading by anything but position.
package journal

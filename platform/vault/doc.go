// Package vault seals personal data before it is stored, makes it findable
// without being readable, and masks it before it is shown.
//
// A sealed value is an envelope:
//
//	version (1 byte, 1) | length of the key id (1 byte) | key id | nonce (12 bytes) | ciphertext and tag
//
// with AES-256-GCM (NIST SP 800-38D), a random nonce, and as associated data the
// envelope's head, the row's id and the field's name.
//
// Invariants:
//   - A sealed value opens only as the field of the row it was sealed for: moved
//     to another row or field, or changed in any bit, it does not open.
//   - The current key seals; every key in the file opens, so a key can be
//     changed at any time. A key id is random, so that a lost and remade key file is
//     told apart from the right one. One key seals at most 2^32 values (the limit
//     of random nonces); Rotate long before.
//   - The blind index is HMAC-SHA-256 under a key of its own, apart for each
//     field, cut to 16 bytes. Equal values have equal indexes, which is its purpose
//     and its leak. The caller normalises first: the index of "170 1234" is not
//     that of "1701234".
//   - The key file belongs to its owner alone (0600) and is refused otherwise. It
//     is durable before it is first used. Without it the personal data is gone for
//     ever: keep a copy apart from the database's.
//   - No error and no printing of a Vault or Config shows plaintext or a key.
//
// The length of a value shows in the length of its envelope.
//
// It is not for passwords and API keys (those are hashed, in platform/access), and
// it stores nothing: the rows are the domain's. Names are masked by kernel/name.
package vault

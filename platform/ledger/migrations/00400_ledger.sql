-- +goose Up
-- No sum may pass 4e18 minor units: two such sums still fit in 64 bits, so no
-- arithmetic of the books can overflow before a constraint refuses it.
create table ledger_accounts (
  id text not null primary key,
  currency text not null check (currency <> ''),
  side text not null check (side in ('debit', 'credit')),
  guarded boolean not null,
  purpose text not null,
  debits_posted bigint not null check (debits_posted between 0 and 4000000000000000000),
  credits_posted bigint not null check (credits_posted between 0 and 4000000000000000000),
  debits_pending bigint not null check (debits_pending between 0 and 4000000000000000000),
  credits_pending bigint not null check (credits_pending between 0 and 4000000000000000000),
  constraint ledger_guard_credit check
    (not guarded or side <> 'credit' or credits_posted - debits_posted - debits_pending >= 0),
  constraint ledger_guard_debit check
    (not guarded or side <> 'debit' or debits_posted - credits_posted - credits_pending >= 0)
);

-- Immutable. A post, void or expire names the pending it resolves and carries
-- its accounts; a void or expire carries its amount too.
create table ledger_transfers (
  id text not null primary key,
  debit text not null,
  credit text not null,
  amount bigint not null check (amount > 0 and amount <= 4000000000000000000),
  currency text not null,
  kind text not null check (kind in ('single', 'pending', 'post', 'void', 'expire')),
  pending text not null,
  code text not null,
  ref text not null,
  memo text not null,
  at bigint not null check (at > 0),
  expires bigint not null,
  body bytea not null,
  check (debit <> credit),
  check ((kind in ('post', 'void', 'expire')) = (pending <> '')),
  check (expires = 0 or (kind = 'pending' and expires > at))
);

-- A pending ends once: as posted, voided or expired.
create unique index ledger_resolved_once on ledger_transfers (pending) where pending <> '';
create index ledger_by_debit on ledger_transfers (debit, at);
create index ledger_by_credit on ledger_transfers (credit, at);
create index ledger_by_ref on ledger_transfers (ref, at) where ref <> '';
create index ledger_by_expiry on ledger_transfers (expires) where expires > 0;

-- +goose Up
create table fund (
  id         text   primary key,
  name_zh    text   not null,
  name_en    text   not null,
  kind       text   not null check (kind in ('yearly', 'emergency', 'reward')),
  currency   text   not null,
  frozen_for text   not null, -- while set, money goes out for this purpose only
  last_out   bigint not null, -- when money last went out; written by the freeze's guard
  created    bigint not null,
  version    bigint not null
);

-- A batch is one file for the bank. What is in it is fixed before it is written.
create table fund_batch (
  id       text   primary key, -- also the message's id to the bank
  currency text   not null,
  count    bigint not null check (count > 0),
  amount   bigint not null check (amount > 0),
  debtor   text   not null, -- as it stood then, so that the file can be written again
  state    text   not null check (state in ('composed', 'written')),
  created  bigint not null,
  written  bigint not null
);

create table fund_payout (
  id        text   primary key,
  body      bytea  not null, -- keyed hash of the order, to tell a repetition from another order
  fund_id   text   not null references fund (id),
  purpose   text   not null check (purpose <> ''),
  claim     text   not null,
  ref       text   not null,
  amount    bigint not null check (amount > 0),
  currency  text   not null,
  code      text   not null,
  basis     text   not null,
  rail      text   not null check (rail in ('bank', 'wallet')),
  sealed    bytea  not null, -- who is paid
  approval  text   not null,
  state     text   not null check (state in ('approved', 'sending', 'sent', 'unknown', 'settled', 'rejected', 'returned')),
  batch     text   not null,
  rail_ref  text   not null,
  reason    text   not null,
  created   bigint not null,
  sent      bigint not null,
  settled   bigint not null,
  version   bigint not null,
  -- the bank has said "refused" and later "paid": the claim is not paid again
  contradicted boolean not null check (not contradicted or state = 'rejected')
);
-- Nobody is paid twice: one payout for each claim, unless the money did not arrive.
create unique index fund_payout_claim on fund_payout (claim) where claim <> '' and state not in ('rejected', 'returned');
create index fund_payout_all_claims on fund_payout (claim);
create index fund_payout_purpose on fund_payout (purpose);
create index fund_payout_state on fund_payout (state, rail);
create index fund_payout_batch on fund_payout (batch);

-- How much of an approval by two people has been ordered. It never exceeds what
-- they approved.
create table fund_approval (
  id       text   primary key,
  currency text   not null,
  most     bigint not null,
  used     bigint not null check (used >= 0 and used <= most)
);

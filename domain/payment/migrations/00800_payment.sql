-- +goose Up
create table payment (
  id        text   primary key, -- the caller's
  body_hash bytea  not null,
  at        bigint not null,
  payer     text   not null,
  payee     text   not null,
  amount    bigint not null check (amount > 0),
  currency  text   not null,
  type      text   not null check (type in ('transfer', 'purchase', 'deposit', 'withdrawal')),
  channel   text   not null,
  device    text   not null,
  ip        text   not null,
  city      text   not null,
  history   boolean not null,
  state     text   not null check (state in ('allowed', 'challenged', 'held', 'blocked', 'settled', 'returned', 'refused')),
  outcome   text   not null check (outcome in ('allow', 'challenge', 'hold', 'block')),
  score     bigint not null,
  decision  text   not null, -- JSON of risk.Decision: reasons, features, pack
  claim_id  text   not null,
  created   bigint not null,
  version   bigint not null,
  check (payer <> payee)
);
create index payment_at on payment (at, id);
create index payment_payer on payment (payer, at);
create index payment_payee on payment (payee, at);
create index payment_device on payment (device, at);
create index payment_stopped on payment (at, id) where outcome <> 'allow';

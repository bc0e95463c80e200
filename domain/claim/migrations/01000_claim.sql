-- +goose Up
create table claim (
  id          text   primary key, -- the caller's
  body_hash   bytea  not null,
  number      text   not null unique,
  kind        text   not null check (kind in ('theft', 'face_payment', 'impostor', 'deceived', 'paid_then_blocked', 'wrong_account')),
  source      text   not null,
  holder      text   not null,
  claimant    text   not null,
  standing    text   not null,
  account     text   not null,
  claimed     bigint not null check (claimed >= 0),
  confirmed   bigint not null check (confirmed >= 0),
  currency    text   not null,
  basis       text   not null check (basis in ('ledger_record', 'police_confirmation', 'third_party_record', 'sworn_statement')),
  police_case text   not null,
  loss_date   bigint not null,
  sealed      bytea  not null, -- JSON: words, receiving account
  incident    text   not null,
  incident_name text not null,
  verdict     text   not null,
  reasons     text   not null, -- JSON list of codes
  status      text   not null,
  decision    text   not null check (decision in ('none', 'approve_full', 'approve_partial', 'refuse')),
  ground      text   not null,
  advance     text   not null,
  recovery    text   not null,
  payout      text   not null,
  clocks      text   not null, -- JSON list
  due         bigint not null, -- of the next clock that runs; 0 if none
  filed       bigint not null,
  version     bigint not null,
  check (decision <> 'refuse' or ground <> '')
);
create index claim_holder on claim (holder, filed);
create index claim_claimant on claim (claimant, filed);
create index claim_status on claim (status, due, id);
create index claim_incident on claim (incident, id) where incident <> '';

create table claim_payment (
  payment text not null primary key, -- a payment belongs to one claim
  claim   text not null references claim (id)
);
create index claim_payment_claim on claim_payment (claim);

-- Decisions are immutable; an appeal adds a version.
create table claim_decision (
  claim   text   not null references claim (id),
  number  bigint not null,
  kind    text   not null check (kind in ('approve_full', 'approve_partial', 'refuse')),
  amount  bigint not null check (amount >= 0),
  ground  text   not null,
  proofs  text   not null, -- JSON list of codes
  words   text   not null,
  actor   text   not null,
  at      bigint not null,
  primary key (claim, number),
  check (kind <> 'refuse' or (ground <> '' and proofs <> '[]'))
);

-- The story that the claimant reads.
create table claim_event (
  id    text   primary key,
  claim text   not null references claim (id),
  event text   not null,
  by    text   not null, -- us, claimant, police, system
  words text   not null,
  at    bigint not null
);
create index claim_event_claim on claim_event (claim, id);

create table claim_evidence (
  id      text   primary key,
  claim   text   not null references claim (id),
  sha256  text   not null,
  size    bigint not null,
  type    text   not null, -- as found in the bytes, not as named
  sealed  bytea  not null, -- the name
  source  text   not null,
  at      bigint not null,
  unique (claim, sha256)
);

create table claim_number (
  year bigint primary key,
  n    bigint not null
);

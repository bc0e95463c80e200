-- +goose Up
-- Texts and models are never changed: their name is the SHA-256 of their bytes.
create table risk_pack (
  sha256  text   primary key,
  name    text   not null,
  number  bigint not null,
  text    text   not null,
  author  text   not null, -- who kept it; 'house' for the one that came with the program
  note    text   not null,
  created bigint not null
);
create index risk_pack_created on risk_pack (created, sha256);

-- What people are still writing. The version guards against two editors.
create table risk_draft (
  id      text   primary key, -- the caller's
  title   text   not null,
  text    text   not null,
  author  text   not null, -- who saved it last
  updated bigint not null,
  version bigint not null
);

create table risk_model (
  sha256     text   primary key, -- of the file's bytes
  name       text   not null,
  features   text   not null, -- JSON list, in the model's order
  trees      bigint not null,
  depth      bigint not null,
  size       bigint not null check (size > 0),
  report     text   not null, -- JSON of the training's figures, 'null' for a file from elsewhere
  train_from bigint not null, -- 0 if unknown
  train_to   bigint not null,
  author     text   not null,
  created    bigint not null,
  retired    boolean not null
);
create index risk_model_created on risk_model (created, sha256);

-- The file itself lies apart, so that lists stay light.
create table risk_model_file (
  sha256 text  primary key references risk_model (sha256),
  bytes  bytea not null
);

create table risk_publication (
  id          text   primary key, -- the caller's
  pack        text   not null references risk_pack (sha256),
  champion    text   not null, -- sha256 of a model, '' for rules only
  challengers text   not null, -- JSON list of sha256
  note        text   not null,
  replaces    text   not null, -- the publication that was in force when it was asked for, '' for none
  state       text   not null check (state in ('asked', 'in_force', 'replaced', 'taken_back', 'failed', 'withdrawn')),
  approval    text   not null,
  asked_by    text   not null,
  asked       bigint not null,
  signed_by   text   not null,
  signed      bigint not null,
  error       text   not null,
  version     bigint not null,
  check (state in ('asked', 'withdrawn') or signed_by <> ''),
  check (signed_by <> asked_by)
);
create index risk_publication_asked on risk_publication (asked, id);

-- What was in force when: rows are only added, one after the other. The newest
-- counts; '' is the pack that came with the program.
create table risk_force (
  seq         bigint primary key check (seq > 0),
  publication text   not null,
  act         text   not null check (act in ('publish', 'take_back', 'fail')),
  actor       text   not null,
  why         text   not null,
  at          bigint not null
);

-- What was said of a payment, and when. Rows are only added; the latest reported
-- counts.
create table risk_label (
  payment     text    not null,
  source      text    not null,
  reported_at bigint  not null,
  fraud       boolean not null,
  paid_at     bigint  not null, -- when the payment was made
  note        text    not null,
  actor       text    not null,
  created     bigint  not null, -- when this house was told
  primary key (payment, source, reported_at),
  check (reported_at >= paid_at)
);
create index risk_label_reported on risk_label (reported_at, payment, source);
create index risk_label_created on risk_label (created, payment, source);
create index risk_label_paid on risk_label (paid_at, payment);

create table risk_replay (
  id       text   primary key, -- the caller's
  question text   not null, -- JSON
  state    text   not null check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
  done     bigint not null,
  total    bigint not null,
  report   text   not null, -- JSON, '' until it is done
  error    text   not null,
  actor    text   not null,
  created  bigint not null,
  beat     bigint not null, -- when its worker was last heard of
  version  bigint not null
);
create index risk_replay_created on risk_replay (created, id);
create index risk_replay_open on risk_replay (state, created) where state in ('waiting', 'running');

-- Drift of a day that is over, by model.
create table risk_drift (
  model   text   not null references risk_model (sha256),
  day     text   not null, -- 2026-11-01
  figures text   not null, -- JSON
  primary key (model, day)
);

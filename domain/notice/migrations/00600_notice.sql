-- +goose Up
create table notice_message (
  id             text   primary key,
  uniq           text   not null unique, -- the sender's key: one message for one reason, whatever is retried
  party          text   not null,
  channel        text   not null check (channel in ('app', 'sms', 'letter', 'webhook')),
  template       text   not null,
  lang           text   not null check (lang in ('zh', 'en')),
  state          text   not null check (state in ('queued', 'sent', 'failed', 'read')),
  reason         text   not null, -- why it failed, '' otherwise
  created        bigint not null,
  changed        bigint not null,
  subject_sealed bytea  not null,
  body_sealed    bytea  not null,
  check (state = 'failed' or reason = ''),
  check (state <> 'read' or channel = 'app')
);
create index notice_message_party on notice_message (party, id);

create table certificate (
  id             text   primary key,
  number         text   not null unique,
  payout         text   not null unique, -- one certificate for one payout, for ever
  claim          text   not null,
  incident       text   not null,        -- '' if there is none
  owner          text   not null,        -- party id of who was paid
  code           text   not null unique,
  payload_sealed bytea  not null,        -- the signed JSON
  signature      bytea  not null,
  facts          bytea  not null,        -- blind index of what was asked for, to tell a repeat from a conflict
  created        bigint not null
);
create index certificate_claim on certificate (claim);
create index certificate_incident on certificate (incident, id);
create index certificate_owner on certificate (owner, id);

create table certificate_series (
  year bigint primary key,
  last bigint not null check (last > 0)
);

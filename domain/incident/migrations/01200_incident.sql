-- +goose Up
create table incident (
  id        text   primary key, -- the caller's
  body_hash bytea  not null,
  title     text   not null,
  status    text   not null check (status in
    ('declared', 'gathering', 'reconciled', 'proposed', 'approved', 'paying', 'paid', 'closed')),
  fund_id   text   not null,
  lost_from bigint not null,
  lost_to   bigint not null check (lost_to > lost_from),
  deadline  bigint not null,
  approval  text   not null,
  created   bigint not null,
  version   bigint not null
);

create table incident_source (
  id       text   primary key,
  incident text   not null references incident (id),
  kind     text   not null check (kind in ('police_list', 'user_reports', 'estate', 'search')),
  filename text   not null,
  sha256   text   not null,
  figures  text   not null, -- JSON: how many rows of each kind, the file's own total and ours
  read_at  bigint not null,
  unique (incident, kind, sha256) -- the same file twice is the same source
);

-- What was handed in, row by row, sealed: people's names and numbers stand in it.
create table incident_row (
  source text   not null references incident_source (id),
  line   bigint not null, -- of the file, counted from 1
  kind   text   not null,
  sealed bytea  not null, -- JSON: what was read, mended, refused and why
  victim text   not null, -- whom it led to, "" if nobody
  how    text   not null, -- how it was matched, or why not; "" if there was nothing to match
  primary key (source, line)
);

create table incident_mark (
  incident text   not null references incident (id),
  kind     text   not null check (kind in ('device', 'payee')),
  value    text   not null,
  victims  bigint not null,
  why      text   not null,
  primary key (incident, kind, value)
);

create table incident_victim (
  id          text   primary key,
  incident    text   not null references incident (id),
  party       text   not null,
  account     text   not null,
  police_case text   not null,
  police      bigint not null check (police >= 0),
  reported    bigint not null check (reported >= 0),
  reports     bigint not null,
  recorded    bigint not null check (recorded >= 0),
  currency    text   not null,
  payments    text   not null, -- JSON list of payment ids
  estate      boolean not null,
  verdict     text   not null,
  reasons     text   not null, -- JSON list of codes
  amount      bigint not null check (amount >= 0),
  claim       text   not null,
  claimant    text   not null,
  doubt       text   not null, -- code of why a person must look at the match, "" if nobody must
  approval    text   not null, -- by which two people released the money, "" before
  payout      text   not null,
  called      text   not null check (called in ('', 'reached', 'no_answer', 'call_back')),
  called_at   bigint not null,
  sealed      bytea  not null, -- JSON: name, receiving account, words of the call
  version     bigint not null
);
create unique index incident_victim_account on incident_victim (incident, account) where account <> '';
create unique index incident_victim_party on incident_victim (incident, party) where party <> '';
create unique index incident_victim_payout on incident_victim (payout) where payout <> '';

-- What the police say of each victim, by case: the same case in a later list takes
-- the place of the earlier word, another case is another loss.
create table incident_case (
  victim  text   not null references incident_victim (id),
  case_no text   not null,
  source  text   not null references incident_source (id),
  amount  bigint not null check (amount >= 0),
  primary key (victim, case_no, source)
);

create table incident_statement (
  incident text   not null references incident (id),
  number   bigint not null,
  lang     text   not null,
  body     text   not null,
  figures  text   not null, -- JSON, as the ledger had them
  author   text   not null,
  at       bigint not null,
  published    bigint not null, -- 0: a draft
  published_by text   not null,
  primary key (incident, number, lang),
  check (published_by <> author)
);

-- +goose Up
-- What rise is unusual.
create table risk_watch (
  id           text    primary key,
  owner        text    not null,
  dimension    text    not null check (dimension in ('terminal', 'merchant', 'payee', 'device', 'method', 'region', 'type')),
  measure      text    not null check (measure in ('count', 'amount', 'stopped', 'share', 'new_payers', 'labels')),
  span         bigint  not null, -- seconds; 0 for labels
  false_alarms bigint  not null check (false_alarms > 0), -- of a thousand ordinary days
  least        bigint  not null check (least > 0),        -- payments
  least_amount bigint  not null,                          -- minor units
  ratio        bigint  not null,                          -- percent
  enabled      boolean not null,
  zh           text    not null,
  en           text    not null,
  edited       boolean not null, -- by a person: a newer pack leaves it alone
  pack         bigint  not null, -- number of the pack it came with, 0 for none
  changed      bigint  not null,
  by_whom      text    not null,
  version      bigint  not null
);

create table risk_alarm (
  id        text   primary key, -- made from watch, key and the minute in which the rise began
  watch     text   not null,
  dimension text   not null,
  name      text   not null, -- of the key
  measure   text   not null,
  span      bigint not null,
  state     text   not null check (state in ('open', 'acknowledged', 'acted', 'closed')),
  cause     text   not null, -- the alarm whose payments these are too, '' if it stands alone
  since     bigint not null,
  raised    bigint not null,
  last      bigint not null, -- when it was last above what is ordinary
  closed    bigint not null, -- 0 while it is not
  quiet     bigint not null, -- until then the same rise is not told again
  observed  bigint not null,
  expected  bigint not null, -- thousandths
  surprise  bigint not null, -- thousandths of -ln(chance)
  payments  bigint not null,
  stopped   bigint not null,
  amount    bigint not null, -- minor units
  payers    bigint not null, -- different ones among the recent payments
  also      bigint not null, -- other rises of the same cause
  examples  text   not null, -- JSON list of payment ids
  zh        text   not null,
  en        text   not null,
  by_whom   text   not null, -- who looked at it, '' if nobody did
  words     text   not null, -- what they said
  verdict   text   not null check (verdict in ('', 'theft', 'ordinary')),
  changed   bigint not null,
  version   bigint not null
);
-- A rise is told once, whoever finds it.
create unique index risk_alarm_open on risk_alarm (watch, dimension, name) where state <> 'closed';
create index risk_alarm_raised on risk_alarm (raised, id);
create index risk_alarm_cause on risk_alarm (cause);
create index risk_alarm_changed on risk_alarm (changed);
create index risk_alarm_quiet on risk_alarm (quiet) where state = 'closed';

-- One act that touches all payments that match.
create table risk_stop (
  id        text   primary key, -- the caller's
  body      bytea  not null,    -- hash of the order, to tell a repetition from another order
  alarm     text   not null,    -- it was made from, '' if none
  payer     text   not null,
  payee     text   not null,
  device    text   not null,
  terminal  text   not null,
  merchant  text   not null,
  channel   text   not null,
  region    text   not null,
  type      text   not null,
  card      text   not null,
  outcome   text   not null check (outcome in ('challenge', 'hold', 'block')),
  since     bigint not null,
  until     bigint not null check (until > since),
  most      bigint not null check (most > 0 and most <= 10000),
  zh        text   not null, -- what the payer is told
  en        text   not null,
  reason    text   not null, -- why, for the house
  state     text   not null check (state in ('proposed', 'active', 'lifted', 'expired', 'exhausted')),
  by_whom   text   not null,
  second    text   not null, -- the other of two people, '' if one was enough
  created   bigint not null,
  ended     bigint not null, -- 0 while it has not
  ended_by  text   not null,
  words     text   not null, -- why it was lifted
  version   bigint not null
);
create index risk_stop_state on risk_stop (state, created);
create index risk_stop_created on risk_stop (created, id);
create index risk_stop_alarm on risk_stop (alarm);

-- How many payments a stop has touched, by process: each writes its own row, which
-- only grows.
create table risk_stop_use (
  stop text   not null references risk_stop (id),
  node text   not null,
  used bigint not null check (used >= 0),
  primary key (stop, node)
);

-- What the meters remember, so that a restart keeps it.
create table risk_meter (
  node  text   not null,
  part  text   not null, -- "keys.terminal.3", "pairs.0" …
  hour  bigint not null, -- Unix hours up to which it has learned
  body  bytea  not null,
  primary key (node, part)
);

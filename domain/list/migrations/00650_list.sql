-- +goose Up
create table risk_list_entry (
  id           text   primary key, -- the caller's
  kind         text   not null check (kind in ('allow', 'deny', 'watch')),
  subject      text   not null check (subject in ('account', 'device', 'phone', 'name', 'address')),
  value        text   not null, -- canonical; '' for phone and name, which are sealed
  value_sealed bytea  not null, -- empty for the other three
  value_index  bytea  not null, -- keyed, of the folded phone or name; empty for the other three
  same         bytea  not null, -- keyed, of kind, subject, value and source: one statement of one source
  body         bytea  not null, -- keyed, of all that the caller said: tells a repetition from a conflict
  reason_zh    text   not null,
  reason_en    text   not null,
  source       text   not null check (source in ('carrier', 'police', 'institution', 'own', 'other')),
  confidence   bigint not null check (confidence between 1 and 1000), -- permille
  signal       text   not null, -- '' if none was named
  reported     boolean not null, -- it came as shared intelligence; who sent it may withdraw it
  note_sealed  bytea  not null, -- empty if there is no note
  begins       bigint not null,
  ends         bigint not null, -- 0: until it is taken off; only deny may
  added_by     text   not null,
  added_at     bigint not null,
  removed_by   text   not null,
  removed_at   bigint not null, -- 0: it stands
  removed_why  text   not null,
  version      bigint not null,
  seq          bigint not null, -- of the last change, see risk_list_state
  changed_at   bigint not null,
  check (kind = 'deny' or ends > begins),
  check (ends = 0 or ends > begins)
);
create index risk_list_newest on risk_list_entry (added_at, id);
create index risk_list_value on risk_list_entry (value) where value <> '';
create index risk_list_index on risk_list_entry (value_index) where length(value_index) > 0;
create index risk_list_same on risk_list_entry (same);
create index risk_list_seq on risk_list_entry (seq, id);
create index risk_list_standing on risk_list_entry (kind, subject, begins, ends) where removed_at = 0;

-- What became of an entry after it was added. The entry holds what is true now,
-- an event what was true before it.
create table risk_list_event (
  entry_id          text   not null references risk_list_entry (id),
  version           bigint not null, -- that the event made
  what              text   not null check (what in ('extended', 'renewed', 'removed')),
  by_whom           text   not null,
  at                bigint not null,
  why               text   not null,
  ends_before       bigint not null,
  ends_after        bigint not null,
  reason_before     text   not null, -- '' if it stayed
  confidence_before bigint not null, -- 0 if it stayed
  primary key (entry_id, version)
);

-- Counts the transactions that changed a list. Each takes the next number first
-- and so holds the row until it commits: numbers are in the order of commits, and
-- whoever has seen n needs only what is above n.
create table risk_list_state (
  one bigint primary key check (one = 1),
  seq bigint not null
);
insert into risk_list_state (one, seq) values (1, 0);

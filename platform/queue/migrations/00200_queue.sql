-- +goose Up
-- A job is never deleted: (kind, key) keeps a second Put of the same event out
-- for ever, also after the first is done.
create table queue_job (
  id text not null primary key,
  kind text not null check (kind <> ''),
  key text not null check (key <> ''),
  body text not null,
  due bigint not null,
  state text not null check (state in ('ready', 'leased', 'done', 'dead')),
  attempt bigint not null check (attempt >= 0),
  lapses bigint not null check (lapses >= 0),
  leased_until bigint not null,
  owner text not null,
  last_error text not null,
  created bigint not null,
  ended bigint not null,
  unique (kind, key),
  check ((state = 'leased') = (owner <> ''))
);
create index queue_job_due on queue_job (due, id) where state = 'ready';
create index queue_job_leased on queue_job (leased_until) where state = 'leased';
create index queue_job_dead on queue_job (id) where state = 'dead';
create index queue_job_kind on queue_job (kind, state, id);

-- +goose Up
-- How far the journal's records have been moved into table payment. The row is
-- written in the same transaction as what it speaks of; a position means nothing
-- in another journal, so the journal is named. There is no row where payments are
-- written directly.
create table payment_journal (
  one      bigint primary key check (one = 1),
  journal  text   not null,
  position bigint not null check (position >= 0)
);

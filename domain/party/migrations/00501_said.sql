-- +goose Up
-- Keyed hash of the host's last row for the account. One person may have several
-- accounts with different telephones; by it a row that says the same again is
-- known as such, and does not move the person from one to the other.
alter table account add column said bytea not null default '';

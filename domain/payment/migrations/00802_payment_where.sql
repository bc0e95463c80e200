-- +goose Up
alter table payment add column terminal text not null default '';
alter table payment add column merchant text not null default '';
alter table payment add column card text not null default '';   -- the host's token, never a card's number
alter table payment add column phone text not null default '';  -- keyed index of the telephone, never the number
alter table payment add column region text not null default '';
alter table payment add column lat bigint;                      -- microdegrees, null if unknown
alter table payment add column lon bigint;

-- +goose Up
create table party (
  id           text   primary key,
  kind         text   not null check (kind in ('person', 'merchant')),
  name_sealed  bytea  not null,
  name_index   bytea  not null,
  idnum_sealed bytea  not null,
  idnum_index  bytea  not null, -- empty if there is no identity number
  phone_sealed bytea  not null,
  phone_index  bytea  not null,
  city         text   not null,
  created      bigint not null
);
create unique index party_idnum on party (idnum_index) where length(idnum_index) > 0;
create index party_name on party (name_index);
create index party_phone on party (phone_index);

create table account (
  id           text   primary key, -- the host's own
  party_id     text   not null references party (id),
  kind         text   not null check (kind in ('person', 'merchant')),
  verification text   not null check (verification in ('none', 'basic', 'full')),
  opened       bigint not null,
  device       text   not null,
  city         text   not null
);
create index account_party on account (party_id);

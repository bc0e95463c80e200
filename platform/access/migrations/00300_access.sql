-- +goose Up
create table staff (
    id          text primary key,
    email       text not null unique,           -- lower case
    name        text not null,
    roles       text not null,                  -- sorted, a space between
    password    text not null,                  -- argon2id, PHC string
    epoch       bigint not null default 1,      -- moves with roles, password and standing; ends sessions
    added_at    bigint not null,
    disabled_at bigint not null default 0,      -- 0: may sign in
    first       bigint not null default 0 check (first in (0, 1))
);
-- The house is opened once: two who try at the same moment meet here.
create unique index staff_first on staff (first) where first = 1;

-- Each address has ten slots; a try takes one for 30 minutes and gives it back
-- if it succeeds. The address is kept as a hash: people type passwords there.
create table staff_tries (
    email_hash bytea  not null,
    slot       bigint not null check (slot between 0 and 9),
    at         bigint not null,
    primary key (email_hash, slot)
);
create index staff_tries_at on staff_tries (at);

create table sessions (
    token_hash bytea primary key,               -- SHA-256 of the token
    id         text not null unique,
    kind       text not null check (kind in ('staff', 'customer')),
    subject    text not null,                   -- staff or party
    epoch      bigint not null,                 -- that of the member of staff; 0 for a customer
    opened_at  bigint not null,
    seen_at    bigint not null,
    expires_at bigint not null,
    ended_at   bigint not null default 0
);
create index sessions_expires on sessions (expires_at);

create table portal_links (
    token_hash bytea primary key,
    id         text not null unique,
    party      text not null check (party <> ''),
    made_by    text not null,
    made_at    bigint not null,
    expires_at bigint not null,
    used_at    bigint not null default 0        -- 0: still good for one use
);
create index portal_links_expires on portal_links (expires_at);

create table api_keys (
    id          text primary key,
    secret_hash bytea not null,
    name        text not null,
    roles       text not null,
    made_by     text not null,
    made_at     bigint not null,
    revoked_at  bigint not null default 0
);

create table approvals (
    id            text primary key,
    act           text not null,
    object        text not null check (object <> ''),
    hash          bytea not null,               -- SHA-256 of the content that is approved
    summary       text not null,
    amount        bigint not null,
    currency      text not null,
    asked_by      text not null,
    asked_at      bigint not null,
    expires_at    bigint not null,
    state         text not null check (state in ('open', 'used', 'withdrawn', 'superseded', 'expired')),
    closed_at     bigint not null default 0,
    closed_by     text not null default '',
    first_signer  text not null default '',     -- the two whose signatures let it through
    second_signer text not null default '',
    version       bigint not null default 1,
    check ((state = 'open') = (closed_at = 0)),
    check (state <> 'used' or (first_signer <> '' and second_signer <> '' and first_signer <> second_signer))
);
-- One open question on one thing: a changed content supersedes the former.
create unique index approvals_open on approvals (act, object) where state = 'open';
create index approvals_object on approvals (object, asked_at);

create table approval_signatures (
    approval text   not null references approvals (id),
    staff    text   not null references staff (id),
    at       bigint not null,
    session  text   not null,
    primary key (approval, staff)
);

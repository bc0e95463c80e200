-- +goose Up
-- One row: how many entries the log has. Appending begins with a guarded
-- update of it, so on PostgreSQL its lock puts all writers in one line.
create table audit_head (
    one  bigint primary key check (one = 1),
    size bigint not null check (size >= 0)
);
insert into audit_head (one, size) values (1, 0);

-- The leaves. body is what is hashed; id, at, act, object, actor and outcome repeat it
-- for searching, and Verify compares them. hashes holds the tree: the hash of
-- this leaf and then of every larger subtree that this leaf completes, 32 bytes
-- each (RFC 6962; the stored hashes of golang.org/x/mod/sumdb/tlog).
create table audit_leaf (
    idx    bigint primary key check (idx >= 0),
    id     text   not null unique check (id <> ''),
    at     bigint not null,
    act    text   not null check (act <> ''),
    object text   not null,
    actor  text   not null,
    outcome text  not null check (outcome in ('done', 'refused', 'read')),
    body   text   not null check (body <> ''),
    hashes bytea  not null check (length(hashes) >= 32 and length(hashes) % 32 = 0)
);
create index audit_leaf_object on audit_leaf (object, idx);
create index audit_leaf_actor on audit_leaf (actor, idx);
create index audit_leaf_act on audit_leaf (act, idx);
create index audit_leaf_at on audit_leaf (at, idx);

-- What a leaf holds only the salted hash of. Both empty: erased.
create table audit_detail (
    id     text  primary key,
    salt   bytea not null,
    detail text  not null,
    check ((length(salt) = 0) = (detail = ''))
);

-- The signed heads: C2SP tlog-checkpoint notes.
create table audit_signed (
    size bigint primary key check (size >= 0),
    at   bigint not null,
    note text   not null
);

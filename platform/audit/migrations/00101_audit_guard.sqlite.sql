-- +goose Up
-- The log is append-only for whoever comes through SQL, too. It is a guard
-- against mistakes; against an owner of the file, Verify and heads kept elsewhere.
-- +goose StatementBegin
create trigger audit_leaf_update before update on audit_leaf
begin select raise(abort, 'the audit log is append-only'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_leaf_delete before delete on audit_leaf
begin select raise(abort, 'the audit log is append-only'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_signed_update before update on audit_signed
begin select raise(abort, 'signed heads are append-only'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_signed_delete before delete on audit_signed
begin select raise(abort, 'signed heads are append-only'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_head_update before update on audit_head
when new.one <> old.one or new.size < old.size
begin select raise(abort, 'the audit log only grows'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_head_delete before delete on audit_head
begin select raise(abort, 'the audit log only grows'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_detail_update before update on audit_detail
when new.id <> old.id or length(new.salt) <> 0 or new.detail <> ''
begin select raise(abort, 'a detail may be erased, not changed'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_detail_delete before delete on audit_detail
begin select raise(abort, 'a detail may be erased, not removed'); end;
-- +goose StatementEnd

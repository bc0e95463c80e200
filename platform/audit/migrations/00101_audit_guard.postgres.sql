-- +goose Up
-- The log is append-only for whoever comes through SQL, too. It is a guard
-- against mistakes; against an owner of the server, Verify and heads kept elsewhere.
-- +goose StatementBegin
create function audit_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only: % on % is refused', tg_op, tg_table_name;
end $$;
-- +goose StatementEnd
create trigger audit_leaf_change before update or delete on audit_leaf
    for each row execute function audit_refuse();
create trigger audit_leaf_truncate before truncate on audit_leaf
    for each statement execute function audit_refuse();
create trigger audit_signed_change before update or delete on audit_signed
    for each row execute function audit_refuse();
create trigger audit_signed_truncate before truncate on audit_signed
    for each statement execute function audit_refuse();
create trigger audit_head_update before update on audit_head
    for each row when (new.one <> old.one or new.size < old.size) execute function audit_refuse();
create trigger audit_head_delete before delete on audit_head
    for each row execute function audit_refuse();
create trigger audit_head_truncate before truncate on audit_head
    for each statement execute function audit_refuse();
create trigger audit_detail_update before update on audit_detail
    for each row when (new.id <> old.id or length(new.salt) <> 0 or new.detail <> '')
    execute function audit_refuse();
create trigger audit_detail_delete before delete on audit_detail
    for each row execute function audit_refuse();
create trigger audit_detail_truncate before truncate on audit_detail
    for each statement execute function audit_refuse();

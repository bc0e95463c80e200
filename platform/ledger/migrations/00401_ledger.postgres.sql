-- +goose Up
-- Ids sort by their bytes, whatever the language of the database.
alter table ledger_accounts alter column id type text collate "C";
alter table ledger_transfers alter column id type text collate "C";
-- +goose StatementBegin
create function ledger_refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on %: the books are immutable', tg_op, tg_table_name;
end $$;
-- +goose StatementEnd
create trigger ledger_transfers_no_update before update on ledger_transfers
  for each row execute function ledger_refuse();
create trigger ledger_transfers_no_delete before delete on ledger_transfers
  for each row execute function ledger_refuse();
create trigger ledger_transfers_no_truncate before truncate on ledger_transfers
  for each statement execute function ledger_refuse();
create trigger ledger_accounts_fixed before update of id, currency, side, guarded, purpose on ledger_accounts
  for each row execute function ledger_refuse();
create trigger ledger_accounts_no_delete before delete on ledger_accounts
  for each row execute function ledger_refuse();
create trigger ledger_accounts_no_truncate before truncate on ledger_accounts
  for each statement execute function ledger_refuse();
-- +goose StatementBegin
create function ledger_check_accounts() returns trigger language plpgsql as $$
begin
  if not exists (
    select 1 from ledger_accounts d, ledger_accounts c
    where d.id = new.debit and c.id = new.credit and d.currency = new.currency and c.currency = new.currency
      and (new.kind in ('void', 'expire')
        or ((d.purpose = '' or d.side = 'debit' or d.purpose = new.ref)
          and (c.purpose = '' or c.side = 'credit' or c.purpose = new.ref)))) then
    raise exception 'account missing, of another currency, or kept for another purpose';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger ledger_transfers_accounts before insert on ledger_transfers
  for each row execute function ledger_check_accounts();
-- +goose StatementBegin
create function ledger_check_resolution() returns trigger language plpgsql as $$
begin
  if not exists (
    select 1 from ledger_transfers p
    where p.id = new.pending and p.kind = 'pending' and p.debit = new.debit and p.credit = new.credit
      and p.currency = new.currency and new.amount <= p.amount
      and (new.kind = 'post' or new.amount = p.amount)
      and ((new.kind = 'expire' and p.expires > 0 and new.at >= p.expires)
        or (new.kind <> 'expire' and (p.expires = 0 or new.at < p.expires)))) then
    raise exception 'no pending transfer that this may resolve';
  end if;
  return new;
end $$;
-- +goose StatementEnd
create trigger ledger_transfers_resolution before insert on ledger_transfers
  for each row when (new.pending <> '') execute function ledger_check_resolution();

-- +goose Up
-- +goose StatementBegin
create trigger ledger_transfers_no_update before update on ledger_transfers
begin select raise(abort, 'transfers are immutable'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger ledger_transfers_no_delete before delete on ledger_transfers
begin select raise(abort, 'transfers are immutable'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger ledger_accounts_fixed before update of id, currency, side, guarded, purpose on ledger_accounts
begin select raise(abort, 'an account keeps its terms'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger ledger_accounts_no_delete before delete on ledger_accounts
begin select raise(abort, 'accounts are kept for ever'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger ledger_transfers_accounts before insert on ledger_transfers
when not exists (
  select 1 from ledger_accounts d, ledger_accounts c
  where d.id = new.debit and c.id = new.credit and d.currency = new.currency and c.currency = new.currency
    and (new.kind in ('void', 'expire')
      or ((d.purpose = '' or d.side = 'debit' or d.purpose = new.ref)
        and (c.purpose = '' or c.side = 'credit' or c.purpose = new.ref))))
begin select raise(abort, 'account missing, of another currency, or kept for another purpose'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger ledger_transfers_resolution before insert on ledger_transfers
when new.pending <> '' and not exists (
  select 1 from ledger_transfers p
  where p.id = new.pending and p.kind = 'pending' and p.debit = new.debit and p.credit = new.credit
    and p.currency = new.currency and new.amount <= p.amount
    and (new.kind = 'post' or new.amount = p.amount)
    and ((new.kind = 'expire' and p.expires > 0 and new.at >= p.expires)
      or (new.kind <> 'expire' and (p.expires = 0 or new.at < p.expires))))
begin select raise(abort, 'no pending transfer that this may resolve'); end;
-- +goose StatementEnd

-- +goose Up
-- What was decided and what happened stay as they are, for whoever comes through
-- SQL too: an appeal adds a version, a correction adds an event.
-- +goose StatementBegin
create function claim_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'decisions and the story of a claim are immutable: % on % is refused', tg_op, tg_table_name;
end $$;
-- +goose StatementEnd
create trigger claim_decision_change before update or delete on claim_decision
    for each row execute function claim_refuse();
create trigger claim_decision_truncate before truncate on claim_decision
    for each statement execute function claim_refuse();
create trigger claim_event_change before update or delete on claim_event
    for each row execute function claim_refuse();
create trigger claim_event_truncate before truncate on claim_event
    for each statement execute function claim_refuse();

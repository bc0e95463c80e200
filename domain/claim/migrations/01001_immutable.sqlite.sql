-- +goose Up
-- What was decided and what happened stay as they are, for whoever comes through
-- SQL too: an appeal adds a version, a correction adds an event.
-- +goose StatementBegin
create trigger claim_decision_update before update on claim_decision
begin select raise(abort, 'decisions are immutable'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger claim_decision_delete before delete on claim_decision
begin select raise(abort, 'decisions are immutable'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger claim_event_update before update on claim_event
begin select raise(abort, 'the story of a claim is immutable'); end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger claim_event_delete before delete on claim_event
begin select raise(abort, 'the story of a claim is immutable'); end;
-- +goose StatementEnd

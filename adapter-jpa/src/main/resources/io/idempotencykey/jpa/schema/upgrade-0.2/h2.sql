-- Brings a table of version 0.1 to what version 0.2 needs, while no server uses it. The old check has a name of H2's own,
-- so the column is made anew.
drop index idempotency_key_resumable;
drop index idempotency_key_expiring;
drop index idempotency_key_quarantined;
alter table idempotency_key add column upgraded_state varchar(11) before state;
update idempotency_key set upgraded_state = state;
alter table idempotency_key drop column state;
alter table idempotency_key alter column upgraded_state rename to state;
alter table idempotency_key alter column state set not null;
alter table idempotency_key add constraint idempotency_key_state
    check (state in ('open', 'locked', 'failed', 'finished', 'quarantined'));
create index idempotency_key_resumable on idempotency_key (state, scope, due_at);
create index idempotency_key_expiring on idempotency_key (state, due_at, scope, key_value);
create index idempotency_key_quarantined on idempotency_key (state, quarantined_at, scope, key_value);

-- Brings a table of version 0.1 to what version 0.2 needs. Run it before the first server of 0.2 starts; servers of 0.1 may
-- go on meanwhile, and wait for the statements that make indexes. It may be run again if it ended half-way.
alter table idempotency_key drop constraint if exists idempotency_key_state_check;
alter table idempotency_key add constraint idempotency_key_state_check
    check (state = any ('{open,locked,failed,finished,quarantined}'::text[])) not valid;
alter table idempotency_key validate constraint idempotency_key_state_check;
drop index if exists idempotency_key_expiring;
create index idempotency_key_expiring on idempotency_key (due_at) where state in ('failed', 'finished');
create index if not exists idempotency_key_unfinished on idempotency_key (state, due_at) where state in ('open', 'locked');
drop index if exists idempotency_key_quarantined;
create index if not exists idempotency_key_quarantined on idempotency_key (quarantined_at, scope, key_value)
    where state = 'quarantined';
create index if not exists idempotency_key_quarantined_of_scope on idempotency_key (scope, quarantined_at, key_value)
    where state = 'quarantined';

-- Brings a table of version 0.1 to what version 0.2 needs. Run it before the first server of 0.2 starts; servers of 0.1 may
-- go on meanwhile, but wait while the server copies the table.
alter table idempotency_key modify state varchar(11) character set ascii collate ascii_nopad_bin not null
    check (state in ('open', 'locked', 'failed', 'finished', 'quarantined')),
    drop index if exists idempotency_key_quarantined,
    add index idempotency_key_quarantined (state, quarantined_at);

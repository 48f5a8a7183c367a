-- The table of the keys of idempotencykey.
-- Do not create it in a database with IGNORECASE=TRUE, with a collation, or with MODE=Oracle, which has no empty texts.
create table if not exists idempotency_key (
    scope              varchar(255)                not null,
    key_value          varchar(255)                not null,
    creation_id        uuid                        not null,
    operation          varchar(100)                not null,
    request_method     varchar(32)                 not null,
    request_path       varchar(2048)               not null,
    request_parameters json                        not null,
    request_complete   boolean                     not null,
    fingerprint        varchar(128)                not null,
    created_at         timestamp(3) with time zone not null,
    updated_at         timestamp(3) with time zone not null,
    attempts           bigint                      not null,
    failed_attempts    integer                     not null,
    last_error         varchar(1000)               not null,
    state              varchar(11)                 not null check (state in ('open', 'locked', 'failed', 'finished', 'quarantined')),
    recovery_point     varchar(100)                not null,
    locked_at          timestamp(3) with time zone,
    -- open: resumable from, locked: end of the lease, failed and finished: expiry
    due_at             timestamp(3) with time zone,
    finished_at        timestamp(3) with time zone,
    response_status    integer,
    response_headers   json,
    response_body      binary large object,
    quarantined_at     timestamp(3) with time zone,
    quarantine_reason  varchar(1000),
    revision           uuid                        not null,
    primary key (scope, key_value)
);

create index if not exists idempotency_key_resumable on idempotency_key (state, scope, due_at);
create index if not exists idempotency_key_expiring on idempotency_key (state, due_at, scope, key_value);
create index if not exists idempotency_key_quarantined on idempotency_key (state, quarantined_at, scope, key_value);

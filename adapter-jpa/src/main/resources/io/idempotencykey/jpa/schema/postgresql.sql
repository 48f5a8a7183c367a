-- The table of the keys of idempotencykey. Scopes and values compare by their bytes.
create table if not exists idempotency_key (
    scope              varchar(255) collate "C" not null,
    key_value          varchar(255) collate "C" not null,
    creation_id        uuid                     not null,
    operation          varchar(100) collate "C" not null,
    request_method     varchar(32)              not null,
    request_path       varchar(2048)            not null,
    -- json and not jsonb, which takes no NUL and re-spells numbers
    request_parameters json                     not null,
    request_complete   boolean                  not null,
    fingerprint        varchar(128)             not null,
    created_at         timestamptz              not null,
    updated_at         timestamptz              not null,
    attempts           bigint                   not null,
    failed_attempts    integer                  not null,
    last_error         varchar(1000)            not null,
    -- One array: the server reads a check's text anew for each write, and a list takes it longer.
    state              varchar(11)              not null check (state = any ('{open,locked,failed,finished,quarantined}'::text[])),
    recovery_point     varchar(100) collate "C" not null,
    locked_at          timestamptz,
    -- open: resumable from, locked: end of the lease, failed and finished: expiry
    due_at             timestamptz,
    finished_at        timestamptz,
    response_status    integer,
    response_headers   json,
    response_body      bytea,
    quarantined_at     timestamptz,
    quarantine_reason  varchar(1000),
    revision           uuid                     not null,
    primary key (scope, key_value)
);

create index if not exists idempotency_key_resumable on idempotency_key (scope, due_at) where state in ('open', 'locked');
create index if not exists idempotency_key_unfinished on idempotency_key (state, due_at) where state in ('open', 'locked');
create index if not exists idempotency_key_expiring on idempotency_key (due_at) where state in ('failed', 'finished');
create index if not exists idempotency_key_quarantined on idempotency_key (quarantined_at, scope, key_value)
    where state = 'quarantined';
create index if not exists idempotency_key_quarantined_of_scope on idempotency_key (scope, quarantined_at, key_value)
    where state = 'quarantined';

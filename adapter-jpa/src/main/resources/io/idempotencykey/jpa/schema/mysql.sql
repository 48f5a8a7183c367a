-- The table of the keys of idempotencykey. Scopes and values compare by their bytes, trailing spaces included.
create table if not exists idempotency_key (
    scope              varchar(255)   not null,
    key_value          varchar(255)   not null,
    creation_id        binary(16)     not null,
    operation          varchar(100)   not null,
    request_method     varchar(32)    not null,
    request_path       varchar(2048)  not null,
    -- a json column re-spells numbers and puts members in another order
    request_parameters longtext       not null,
    request_complete   boolean        not null,
    fingerprint        varchar(128)   not null,
    created_at         datetime(3)    not null,
    updated_at         datetime(3)    not null,
    attempts           bigint         not null,
    failed_attempts    integer        not null,
    last_error         varchar(1000)  not null,
    state              varchar(11)    not null
                       check (state in ('open', 'locked', 'failed', 'finished', 'quarantined')),
    recovery_point     varchar(100)   not null,
    locked_at          datetime(3),
    -- open: resumable from, locked: end of the lease, failed and finished: expiry
    due_at             datetime(3),
    finished_at        datetime(3),
    response_status    integer,
    response_headers   longtext,
    response_body      longblob,
    quarantined_at     datetime(3),
    quarantine_reason  varchar(1000),
    revision           binary(16)     not null,
    primary key (scope, key_value),
    index idempotency_key_resumable (state, scope, due_at),
    index idempotency_key_expiring (state, due_at),
    index idempotency_key_quarantined (state, quarantined_at)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_0900_bin;

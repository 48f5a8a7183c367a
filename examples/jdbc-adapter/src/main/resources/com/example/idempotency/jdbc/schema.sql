-- The order of scopes and values is that of their characters, whatever the database's collation.
create table idempotency_key (
    scope           varchar(255) collate "C" not null,
    value           varchar(255) collate "C" not null,

    -- What the key's creation fixed.
    creation_id     uuid         not null,
    operation       varchar(100) not null,
    method          varchar(32)  not null,
    path            text         not null,
    parameters      text         not null, -- JSON, which jsonb would not keep as it is
    complete        boolean      not null,
    fingerprint     varchar(255) not null,
    created_at      timestamptz  not null,

    -- Its progress, which each stage's commit replaces.
    revision        uuid         not null,
    state           varchar(11)  not null, -- open, locked, failed, finished, quarantined
    recovery_point  varchar(100),
    since           timestamptz, -- locked, finished or quarantined since
    due             timestamptz, -- resumable from, lease ends, or expires
    reason          text,
    status          int,
    headers         text,
    body            bytea,
    attempts        bigint       not null,
    failed_attempts int          not null,
    last_error      text         not null,
    updated_at      timestamptz  not null,

    primary key (scope, value)
);

-- These leave out the finished keys, of which there are by far the most, and the last one has nothing else.
create index idempotency_key_resumable on idempotency_key (scope, due) where state in ('open', 'locked');
create index idempotency_key_unfinished on idempotency_key (due, scope, value) where state in ('open', 'locked');
create index idempotency_key_quarantined on idempotency_key (since, scope, value) where state = 'quarantined';
create index idempotency_key_expiring on idempotency_key (due) where state in ('failed', 'finished');

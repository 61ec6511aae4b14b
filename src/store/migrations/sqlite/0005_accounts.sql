-- What accounts handed in and are owed: keys that make a request once, messages a day, receipts to be told.

-- Kept for a day: the same request under the same key is answered as before, not carried out again.
create table idempotency (
    account text not null,
    key text not null,
    body text not null,
    answer text not null,
    at_ms integer not null,
    primary key (account, key)
) strict, without rowid;
create index idempotency_age on idempotency (at_ms);

-- Messages accepted from an account on a day (days since 1970, UTC).
create table account_day (
    account text not null,
    day integer not null,
    messages integer not null,
    primary key (account, day)
) strict, without rowid;

-- The final receipt of each message whose account asked for one; told once its ESME has answered deliver_sm.
create table outbox (
    id integer primary key autoincrement,
    account text not null,
    message integer not null unique,
    state text not null,
    err text,
    at_ms integer not null,
    told_ms integer
) strict;
create index outbox_untold on outbox (account, id) where told_ms is null;
create index outbox_age on outbox (at_ms);

-- Who may be written to, and the proof of it; optout and consent_event are older. Times are milliseconds since the epoch.
--
-- A number that was erased stands here as one beyond 2^62: 62 bits of its keyed hash. The key is not in the database.

-- The opt-ins in force.
create table consent (
    number bigint not null,
    scope text not null,
    since_ms bigint not null,
    seq bigint not null,
    primary key (number, scope)
);

-- Opt-ins that were asked for and wait for their confirmation.
create table consent_pending (
    number bigint not null,
    code text not null,
    scope text not null,
    asked_ms bigint not null,
    until_ms bigint not null,
    seq bigint not null,
    primary key (number, code)
);

-- Whose change it was, and what shows it. Its digest stands in the change; salt is gone where it was erased.
create table consent_evidence (
    seq bigint primary key,
    number bigint not null,
    salt text,
    message bigint,
    asked text,
    inbound bigint,
    received text,
    octets text,
    document text,
    note text
);

-- The end of the chain; locked by whoever adds to it.
create table consent_head (id bigint primary key check (id = 1), seq bigint not null, hash text not null);
insert into consent_head (id, seq, hash) values (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- How far lists have been read in.
create table consent_list (
    list text primary key,
    upto bigint not null,
    changed bigint not null,
    known bigint not null,
    broken bigint not null
);

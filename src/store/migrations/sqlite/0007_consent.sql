-- Who may be written to, and the proof of it; optout and consent_event are older. Times are milliseconds since the epoch.
--
-- A number that was erased stands here as one beyond 2^62: 62 bits of its keyed hash. The key is not in the database.

-- The opt-ins in force.
create table consent (
    number integer not null,
    scope text not null,
    since_ms integer not null,
    seq integer not null,
    primary key (number, scope)
) strict, without rowid;

-- Opt-ins that were asked for and wait for their confirmation.
create table consent_pending (
    number integer not null,
    code text not null,
    scope text not null,
    asked_ms integer not null,
    until_ms integer not null,
    seq integer not null,
    primary key (number, code)
) strict, without rowid;

-- Whose change it was, and what shows it. Its digest stands in the change; salt is gone where it was erased.
create table consent_evidence (
    seq integer primary key,
    number integer not null,
    salt text,
    message integer,
    asked text,
    inbound integer,
    received text,
    octets text,
    document text,
    note text
) strict;

-- The end of the chain; locked by whoever adds to it.
create table consent_head (id integer primary key check (id = 1), seq integer not null, hash text not null) strict;
insert into consent_head (id, seq, hash) values (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- How far lists have been read in.
create table consent_list (
    list text primary key,
    upto integer not null,
    changed integer not null,
    known integer not null,
    broken integer not null
) strict, without rowid;

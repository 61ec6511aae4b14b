-- What was accepted, what is to be done, what came of it, what came in. Times are milliseconds since the epoch.

create table meta (key text primary key, value text not null) strict, without rowid;
insert into meta (key, value) values ('application', 'backchat');

-- One row for each start of a process; the epoch says who owns a chunk.
create table run (
    epoch integer primary key autoincrement,
    node integer not null,
    started_ms integer not null,
    ended_ms integer
) strict;

-- Insert-only. Nothing looks for work here.
create table message (
    id integer primary key,
    lane text not null,
    purpose text not null,
    campaign text,
    programme text,
    sender text not null,
    recipient integer not null,
    body text not null,
    language text,
    source text not null,
    accepted_ms integer not null,
    expires_ms integer,
    zone text,
    account text,
    reference text,
    registered_delivery integer,
    relay text
) strict;
create index message_campaign on message (campaign) where campaign is not null;

-- The work lists; the only rows that are updated often.
create table chunk (
    id integer primary key,
    lane text not null,
    class integer not null,
    campaign text,
    line text not null,
    not_before_ms integer not null,
    state text not null check (state in ('waiting', 'leased', 'done')),
    epoch integer,
    lease_ms integer,
    lease_until_ms integer,
    attempt integer not null,
    sent_upto integer not null check (sent_upto <= size),
    size integer not null check (size > 0),
    members text not null
) strict;
create index chunk_waiting on chunk (lane, line, not_before_ms, id) where state = 'waiting';
create index chunk_leased on chunk (epoch) where state = 'leased';

-- Messages and inbound messages by number, sent messages by the carrier's id: keys that come in no order. New ones go into
-- the newest generation, which is small; the others are merged into generation 0 bit by bit.
create table locator (
    generation integer not null,
    key text not null,
    id integer not null,
    primary key (generation, key, id)
) strict, without rowid;
create table generation (
    id integer primary key autoincrement,
    epoch integer not null
) strict;
insert into generation (id, epoch) values (0, 0);

-- Insert-only.
create table outcome (
    message integer not null,
    attempt integer not null,
    part integer not null,
    kind text not null check (kind in ('sent', 'rejected', 'retry', 'in_doubt', 'suppressed', 'expired', 'gave_up')),
    bind text,
    carrier text,
    status integer,
    carrier_id text,
    carrier_key text,
    cause text,
    at_ms integer not null,
    primary key (message, attempt, part, kind)
) strict, without rowid;
create index outcome_in_doubt on outcome (at_ms) where kind = 'in_doubt';

create table receipt (
    id integer primary key,
    carrier text not null,
    carrier_id text not null,
    carrier_key text not null,
    candidates text not null,
    number integer,
    state text not null,
    is_final integer not null check (is_final in (0, 1)),
    err text,
    quote text,
    received_ms integer not null,
    done_ms integer,
    message integer,
    part integer
) strict;
create unique index receipt_known on receipt (message, part, carrier_key, state) where message is not null;
create index receipt_stray on receipt (number) where message is null and number is not null;
create unique index receipt_unknown on receipt (carrier, carrier_key, state) where message is null;

-- The ids by which a receipt that came early is claimed.
create table receipt_waiting (
    carrier text not null,
    candidate text not null,
    receipt integer not null,
    rank integer not null,
    primary key (carrier, candidate, receipt)
) strict, without rowid;
create index receipt_waiting_receipt on receipt_waiting (receipt);

create table campaign (
    id text primary key,
    lane text not null,
    sender text not null,
    purpose text not null,
    survey text,
    text text,
    contacts text not null,
    settings text not null,
    state text not null,
    created_ms integer not null,
    imported_upto integer not null,
    accepted integer not null,
    refused integer not null
) strict, without rowid;

create table invitation (
    message integer primary key,
    campaign text not null,
    number integer not null,
    sender text not null,
    survey text not null,
    question text not null,
    state text not null,
    asked integer not null,
    reminded integer not null,
    trail text,
    offered text,
    language text,
    name text,
    zone text,
    started_by text not null,
    opened_ms integer not null,
    asked_ms integer not null,
    closed_ms integer,
    due_ms integer,
    version integer not null
) strict;
create index invitation_campaign on invitation (campaign);
-- What is to be looked at, when: reminders, the end of the wait, surveys behind another one.
create index invitation_due on invitation (due_ms) where due_ms is not null;

create table inbound (
    id integer primary key,
    lane text not null,
    number integer not null,
    code text not null,
    text text not null,
    octets text not null,
    data_coding integer not null,
    received_ms integer not null,
    digest text not null,
    verdict text not null,
    rule text not null,
    pack text not null,
    candidates text not null,
    campaign text,
    question text,
    parts integer not null,
    note text
) strict;
create index inbound_campaign on inbound (campaign) where campaign is not null;

create table inbound_part (
    lane text not null,
    number integer not null,
    code text not null,
    reference integer not null,
    total integer not null,
    part integer not null,
    octets text not null,
    data_coding integer not null,
    received_ms integer not null,
    done_ms integer,
    primary key (lane, number, code, reference, total, part)
) strict, without rowid;
create index inbound_part_open on inbound_part (received_ms) where done_ms is null;

create table answer (
    inbound integer primary key,
    campaign text not null,
    number integer not null,
    survey text not null,
    question text not null,
    value text not null,
    comment text,
    at_ms integer not null,
    rule text not null,
    pack text not null,
    candidates text not null,
    late integer not null default 0 check (late in (0, 1)),
    replaced_ms integer
) strict;
create index answer_campaign on answer (campaign, number, question);

-- The opt-outs in force, and beside them every change of consent there ever was.
create table optout (
    number integer not null,
    scope text not null,
    since_ms integer not null,
    inbound integer,
    seq integer not null,
    primary key (number, scope)
) strict, without rowid;

-- Each is hashed together with the one before it; only ever added to. It holds no number and no text: those are evidence,
-- which may have to be erased.
create table consent_event (
    seq integer primary key,
    id integer not null unique,
    kind text not null check (kind in ('opt_out', 'opt_in', 'lifted', 'asked', 'declined', 'erased')),
    scope text not null,
    at_ms integer not null,
    channel text not null check (channel in ('sms', 'keyword', 'import', 'api', 'operator')),
    actor text not null,
    evidence text not null,
    erases text,
    hash text not null
) strict;

-- The last number given to an event. Counting locks this row until the commit, so that events are numbered in the order in
-- which they can be seen: whoever has read up to a number has missed none before it.
create table event_head (id integer primary key, seq integer not null) strict;
insert into event_head (id, seq) values (1, 0);

create table event (
    id integer primary key,
    seq integer not null unique,
    at_ms integer not null,
    kind text not null,
    number integer,
    message integer,
    campaign text,
    detail text
) strict;
create index event_message on event (message) where message is not null;

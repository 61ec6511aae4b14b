-- What was accepted, what is to be done, what came of it, what came in. Times are milliseconds since the epoch.

create table meta (key text primary key, value text not null);
insert into meta (key, value) values ('application', 'backchat');

-- One row for each start of a process; the epoch says who owns a chunk.
create table run (
    epoch bigint generated always as identity primary key,
    node bigint not null,
    started_ms bigint not null,
    ended_ms bigint
);

-- Insert-only. Nothing looks for work here.
create table message (
    id bigint primary key,
    lane text not null,
    purpose text not null,
    campaign text,
    sender text not null,
    recipient bigint not null,
    body text not null,
    language text,
    source text not null,
    accepted_ms bigint not null,
    expires_ms bigint
);
create index message_recipient on message (recipient, id);
create index message_campaign on message (campaign) where campaign is not null;

-- The work lists; the only rows that are updated often.
create table chunk (
    id bigint primary key,
    lane text not null,
    class bigint not null,
    campaign text,
    not_before_ms bigint not null,
    state text not null check (state in ('waiting', 'leased', 'done')),
    epoch bigint,
    lease_ms bigint,
    lease_until_ms bigint,
    attempt bigint not null,
    sent_upto bigint not null check (sent_upto <= size),
    size bigint not null check (size > 0),
    members text not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index chunk_waiting on chunk (lane, class, not_before_ms, id) where state = 'waiting';
create index chunk_leased on chunk (epoch) where state = 'leased';

-- Insert-only.
create table outcome (
    message bigint not null,
    attempt bigint not null,
    part bigint not null,
    kind text not null check (kind in ('sent', 'rejected', 'retry', 'in_doubt', 'suppressed', 'expired', 'gave_up')),
    bind text,
    carrier text,
    status bigint,
    carrier_id text,
    carrier_key text,
    cause text,
    at_ms bigint not null,
    primary key (message, attempt, part, kind)
);
create index outcome_carrier on outcome (carrier, carrier_key, message) where carrier_key is not null;
create index outcome_in_doubt on outcome (at_ms) where kind = 'in_doubt';

create table receipt (
    id bigint primary key,
    carrier text not null,
    carrier_id text not null,
    carrier_key text not null,
    candidates text not null,
    number bigint,
    state text not null,
    is_final bigint not null check (is_final in (0, 1)),
    err text,
    received_ms bigint not null,
    done_ms bigint,
    message bigint,
    part bigint
);
create unique index receipt_known on receipt (message, part, carrier_key, state) where message is not null;
create unique index receipt_unknown on receipt (carrier, carrier_key, state) where message is null;

-- The ids by which a receipt that came early is claimed.
create table receipt_waiting (
    carrier text not null,
    candidate text not null,
    receipt bigint not null,
    rank bigint not null,
    primary key (carrier, candidate, receipt)
);
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
    created_ms bigint not null,
    imported_upto bigint not null,
    accepted bigint not null,
    refused bigint not null
);

create table invitation (
    campaign text not null,
    number bigint not null,
    sender text not null,
    message bigint not null,
    survey text not null,
    question text not null,
    state text not null,
    asked bigint not null,
    language text,
    name text,
    opened_ms bigint not null,
    closed_ms bigint,
    primary key (campaign, number)
);
create index invitation_number on invitation (number, sender);

create table inbound (
    id bigint primary key,
    lane text not null,
    number bigint not null,
    code text not null,
    text text not null,
    octets text not null,
    data_coding bigint not null,
    received_ms bigint not null,
    digest text not null,
    verdict text not null,
    rule text not null,
    pack text not null,
    candidates text not null,
    campaign text,
    parts bigint not null,
    note text
);
create index inbound_number on inbound (number, received_ms);
create index inbound_campaign on inbound (campaign) where campaign is not null;

create table inbound_part (
    lane text not null,
    number bigint not null,
    code text not null,
    reference bigint not null,
    total bigint not null,
    part bigint not null,
    octets text not null,
    data_coding bigint not null,
    received_ms bigint not null,
    done_ms bigint,
    primary key (lane, number, code, reference, total, part)
);
create index inbound_part_open on inbound_part (received_ms) where done_ms is null;

create table answer (
    inbound bigint primary key,
    campaign text not null,
    number bigint not null,
    survey text not null,
    question text not null,
    value text not null,
    comment text,
    at_ms bigint not null,
    rule text not null,
    pack text not null,
    candidates text not null,
    replaced_ms bigint
);
create index answer_campaign on answer (campaign, number, question);

-- The opt-outs in force, and beside them every change there ever was.
create table optout (
    number bigint not null,
    scope text not null,
    since_ms bigint not null,
    inbound bigint,
    primary key (number, scope)
);

create table consent_event (
    id bigint primary key,
    number bigint not null,
    scope text not null,
    kind text not null check (kind in ('opt_out', 'opt_in')),
    at_ms bigint not null,
    inbound bigint,
    actor text not null,
    detail text
);
create index consent_event_number on consent_event (number);

create table event (
    id bigint primary key,
    at_ms bigint not null,
    kind text not null,
    number bigint,
    message bigint,
    campaign text,
    detail text
);
create index event_message on event (message) where message is not null;

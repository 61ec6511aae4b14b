-- Whether a run is a server, which alone takes over what earlier ones left; else it is a command beside one.
alter table run add column serves integer not null default 1;

-- A check by a list of more than two makes SQLite build a table of them for each row put down, which cost as much again as
-- the row. The views over these tables stay as they are.
pragma legacy_alter_table = on;

create table outcome_again (
    message integer not null,
    attempt integer not null,
    part integer not null,
    kind text not null check (kind = 'sent' or kind = 'retry' or kind = 'rejected' or kind = 'suppressed'
        or kind = 'in_doubt' or kind = 'expired' or kind = 'gave_up'),
    bind text,
    carrier text,
    status integer,
    carrier_id text,
    carrier_key text,
    cause text,
    at_ms integer not null,
    took_ms integer,
    primary key (message, attempt, part, kind)
) strict, without rowid;
insert into outcome_again select message, attempt, part, kind, bind, carrier, status, carrier_id, carrier_key, cause, at_ms,
    took_ms from outcome;
drop table outcome;
alter table outcome_again rename to outcome;
create index outcome_in_doubt on outcome (at_ms) where kind = 'in_doubt';

create table conversation_again (
    number integer not null,
    code text not null,
    state text not null check (state = 'open' or state = 'assigned' or state = 'closed'),
    assignee text,
    tags text not null,
    unread integer not null,
    opened_ms integer not null,
    last_in_ms integer not null,
    last_out_ms integer,
    closed_ms integer,
    primary key (number, code)
) strict, without rowid;
insert into conversation_again select number, code, state, assignee, tags, unread, opened_ms, last_in_ms, last_out_ms,
    closed_ms from conversation;
drop table conversation;
alter table conversation_again rename to conversation;
create index conversation_state on conversation (state, last_in_ms);

pragma legacy_alter_table = off;

-- A campaign's people before they are messages: insert-only, in the order they are sent, group by group. A group is a
-- place: its people wake and sleep at the same time.
create table audience_group (
    id integer primary key,
    campaign text not null,
    place text not null,
    total integer not null,
    planned integer not null check (planned <= total)
) strict;
create index audience_group_campaign on audience_group (campaign);

create table audience (
    grp integer not null,
    seq integer not null,
    number integer not null,
    language text,
    name text,
    fields text,
    primary key (grp, seq)
) strict, without rowid;

create table campaign_plan (
    campaign text primary key,
    next_ms integer not null,
    doubled integer not null
) strict, without rowid;

create index chunk_campaign on chunk (campaign) where campaign is not null and state <> 'done';

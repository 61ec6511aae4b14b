-- A campaign's people before they are messages: insert-only, in the order they are sent, group by group. A group is a
-- place: its people wake and sleep at the same time.
create table audience_group (
    id bigint primary key,
    campaign text not null,
    place text not null,
    total bigint not null,
    planned bigint not null check (planned <= total)
);
create index audience_group_campaign on audience_group (campaign);

create table audience (
    grp bigint not null,
    seq bigint not null,
    number bigint not null,
    language text,
    name text,
    fields text,
    primary key (grp, seq)
);

create table campaign_plan (
    campaign text primary key,
    next_ms bigint not null,
    doubled bigint not null
);

create index chunk_campaign on chunk (campaign) where campaign is not null and state <> 'done';

-- What people work with: conversations, tags, and what a server and the commands beside it tell each other.

-- Everything from one handset to one code that is no answer and no command. Its items are the messages themselves.
create table conversation (
    number bigint not null,
    code text not null,
    state text not null check (state in ('open', 'assigned', 'closed')),
    assignee text,
    tags text not null,
    unread bigint not null,
    opened_ms bigint not null,
    last_in_ms bigint not null,
    last_out_ms bigint,
    closed_ms bigint,
    primary key (number, code)
);
create index conversation_state on conversation (state, last_in_ms);

-- Words an analyst puts on a reply.
create table reply_tag (
    inbound bigint not null,
    tag text not null,
    at_ms bigint not null,
    actor text not null,
    primary key (inbound, tag)
);

-- How each running server is, as it says itself every few seconds.
create table pulse (
    epoch bigint primary key,
    node bigint not null,
    at_ms bigint not null,
    detail text not null
);

-- What a command asks of every server: to read its configuration again, or to say what another file would change.
create table ask (
    id bigint primary key,
    kind text not null check (kind in ('reload', 'plan')),
    file text not null,
    asked_ms bigint not null
);

-- Stable views for analysts; docs/views.md has what each column means, and queries. The same text for both engines.

create view v_answers as
select a.inbound, a.campaign, a.survey, a.question, a.number, n.code, i.language, i.outcome, a.value, a.comment,
    n.text as words, a.at_ms, a.rule, a.pack, a.late,
    case when a.replaced_ms is null and a.late = 0 then 1 else 0 end as counts, a.replaced_ms
from answer a
    join inbound n on n.id = a.inbound
    left join (
        select campaign, number, max(language) as language,
            max(case state when 'answered' then 'complete' else state end) as outcome
        from invitation group by campaign, number
    ) i on i.campaign = a.campaign and i.number = a.number;

create view v_invitations as
select i.message, i.campaign, i.survey, i.question, i.number, i.sender as code, i.language,
    case i.state when 'answered' then 'complete' else i.state end as outcome, i.asked, i.opened_ms, i.closed_ms
from invitation i;

create view v_optouts as
select o.number, o.scope, o.since_ms, o.inbound, n.code, n.text as words
from optout o left join inbound n on n.id = o.inbound;

create view v_conversations as
select c.number, c.code, c.state, c.assignee, c.tags, c.unread, c.opened_ms, c.last_in_ms, c.last_out_ms, c.closed_ms
from conversation c;

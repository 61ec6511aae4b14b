-- Calls that people have booked by text: one for each invitation and question, the last one said.

create table callback (
    invitation bigint not null,
    question text not null,
    campaign text not null,
    survey text not null,
    number bigint not null,
    code text not null,
    start_ms bigint not null,
    end_ms bigint not null,
    words text not null,
    state text not null check (state in ('due', 'done', 'cancelled')),
    inbound bigint not null,
    booked_ms bigint not null,
    primary key (invitation, question)
);
create index callback_due on callback (start_ms) where state = 'due';

-- Calls that people have booked by text: one for each invitation and question, the last one said.

create table callback (
    invitation integer not null,
    question text not null,
    campaign text not null,
    survey text not null,
    number integer not null,
    code text not null,
    start_ms integer not null,
    end_ms integer not null,
    words text not null,
    state text not null check (state in ('due', 'done', 'cancelled')),
    inbound integer not null,
    booked_ms integer not null,
    primary key (invitation, question)
) strict, without rowid;
create index callback_due on callback (start_ms) where state = 'due';

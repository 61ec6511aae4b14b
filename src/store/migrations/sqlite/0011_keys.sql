-- Keys that come in no order, in sorted texts of some fifty: a row for each key cost as much as the message itself. What came
-- last is a text a commit; some thousand of those become a generation of blocks, and generations of a size become one.
create table key_log (
    id integer primary key,
    epoch integer not null,
    keys text not null
) strict;
create table key_block (
    id integer primary key,
    generation integer not null,
    first text not null,
    keys text not null
) strict;
create index key_block_first on key_block (generation, first);
-- What a generation holds, near enough, in pieces: a server has it in memory and reads it again at its start.
create table key_filter (
    id integer primary key,
    generation integer not null,
    bits text not null
) strict;
create index key_filter_generation on key_filter (generation);

alter table generation add column state text not null default 'whole';
alter table generation add column keys integer not null default 0;
-- How often keys were struck off: who copies some sees that others are gone. One row, and its lock.
create table key_strikes (id integer primary key, count integer not null) strict;
insert into key_strikes (id, count) values (1, 0);

insert into key_block (generation, first, keys)
    select 0, min(key), group_concat(char(10) || key || char(9) || id, '' order by key, id)
    from (select key, id, (row_number() over (order by key, id) - 1) / 40 as block from (select distinct replace(replace(key, char(10), char(65533)), char(9), char(65533)) as key, id from locator))
    group by block order by block;
update generation set keys = (select count(*) from (select distinct replace(replace(key, char(10), char(65533)), char(9), char(65533)) as key, id from locator)) where id = 0;
delete from generation where id > 0 or keys = 0;
drop table locator;

-- From one table for all days to one a day, in one transaction. What there is stays where it is and becomes the first part,
-- up to the first midnight that everything in it lies before; receipts of nobody's move to the rest.

alter table message rename to message_before;
alter table message_before rename constraint message_pkey to message_before_pkey;
alter index message_campaign rename to message_before_campaign;
create table message (like message_before including defaults including constraints including storage)
    partition by range (id);
alter table message add primary key (id);
create index message_campaign on message (campaign) where campaign is not null;
create table message_rest partition of message default;
alter table message attach partition message_before for values from (minvalue) to (:bound);

alter table outcome rename to outcome_before;
alter table outcome_before rename constraint outcome_pkey to outcome_before_pkey;
alter index outcome_in_doubt rename to outcome_before_in_doubt;
create table outcome (like outcome_before including defaults including constraints including storage)
    partition by range (message);
alter table outcome add primary key (message, attempt, part, kind);
create index outcome_in_doubt on outcome (at_ms) where kind = 'in_doubt';
create table outcome_rest partition of outcome default;
alter table outcome attach partition outcome_before for values from (minvalue) to (:bound);

alter table receipt rename to receipt_before;
alter table receipt_before rename constraint receipt_pkey to receipt_before_pkey;
alter index receipt_known rename to receipt_before_known;
drop index receipt_stray, receipt_unknown, receipt_nobodys;
create table receipt (like receipt_before including defaults including constraints including storage)
    partition by range (message);
-- Its id alone is no key of all parts: what a receipt says of which message is, or which one nobody's says.
create index receipt_id on receipt (id);
create unique index receipt_known on receipt (message, part, carrier_key, state) where message is not null;
create table receipt_rest partition of receipt default;
create index receipt_stray on receipt_rest (number) where message is null and number is not null;
create unique index receipt_unknown on receipt_rest (carrier, carrier_key, state) where message is null;
create index receipt_nobodys on receipt_rest (received_ms) where message is null;
with nobodys as (delete from receipt_before where message is null returning *)
    insert into receipt_rest select * from nobodys;
alter table receipt attach partition receipt_before for values from (minvalue) to (:bound);
alter table receipt_before drop constraint receipt_before_pkey;

-- Views know a table, not its name: those of everybody that read one of the three.
do $$
declare
    v record;
begin
    for v in
        select c.oid::regclass as name, c.relkind as kind, pg_get_viewdef(c.oid) as text,
            pg_has_role(c.relowner, 'usage') as ours,
            coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '') as options
        from pg_class c where c.oid in (
            select r.ev_class from pg_depend d join pg_rewrite r on r.oid = d.objid
            where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid in (
                'message_before'::regclass, 'outcome_before'::regclass, 'receipt_before'::regclass))
    loop
        if v.kind = 'm' then
            raise exception 'the materialized view % reads a table that is to be divided: drop it, and make it anew afterwards',
                v.name;
        end if;
        if not v.ours then
            raise exception 'the view % of another owner reads a table that is to be divided: drop it, and make it anew afterwards',
                v.name;
        end if;
        execute format('create or replace view %s%s as %s', v.name, v.options,
            regexp_replace(v.text, '\m(message|outcome|receipt)_before\M', '\1', 'g'));
    end loop;
end
$$;

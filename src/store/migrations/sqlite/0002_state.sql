-- The one state of each message. The same text for both engines.

-- Outcomes with their weight: a later attempt counts more; in one attempt what ends the message counts most. A doubt
-- about a part is over once an answer for that very part has come.
create view v_outcome as
select o.message, o.attempt, o.part, o.kind, o.cause, o.at_ms,
    o.attempt * 10 + case o.kind
        when 'suppressed' then 9
        when 'rejected' then 8
        when 'expired' then 7
        when 'gave_up' then 6
        when 'retry' then 5
        when 'in_doubt' then case when exists (
            select 1 from outcome s
            where s.message = o.message and s.attempt = o.attempt and s.part = o.part and s.kind = 'sent'
        ) then 2 else 4 end
        else 3
    end as weight
from outcome o;

-- Receipts that say a part will not arrive, unless another says it did.
create view v_failure as
select c.message, c.received_ms, c.id,
    case c.state when 'expired' then 'expired' when 'rejected' then 'rejected' else 'undeliverable' end as state,
    coalesce(c.err, c.state) as cause
from receipt c
where c.message is not null and c.is_final = 1 and c.state <> 'delivered'
    and not exists (
        select 1 from receipt d where d.message = c.message and d.part = c.part and d.state = 'delivered'
    );

-- Receipts first, then what our last attempt came to.
create view v_message_state as
select m.id as message, m.campaign, m.source, m.accepted_ms,
    coalesce(
        (select f.state from v_failure f where f.message = m.id order by f.received_ms, f.id limit 1),
        case when exists (select 1 from receipt c where c.message = m.id and c.state = 'delivered')
            and not exists (
                select 1 from outcome o
                where o.message = m.id
                    and not exists (
                        select 1 from receipt c
                        where c.message = m.id and c.part = o.part and c.state = 'delivered'
                    )
            ) then 'delivered' end,
        (select case k.weight % 10
                when 9 then 'suppressed'
                when 8 then 'rejected'
                when 7 then 'expired'
                when 6 then 'gave_up'
                when 5 then 'queued'
                when 4 then 'in_doubt'
                else 'sent'
            end
            from v_outcome k where k.message = m.id order by k.weight desc limit 1),
        'queued'
    ) as state,
    coalesce(
        (select f.cause from v_failure f where f.message = m.id order by f.received_ms, f.id limit 1),
        (select case when k.kind = 'sent' then null else k.cause end
            from v_outcome k where k.message = m.id order by k.weight desc limit 1)
    ) as cause
from message m;

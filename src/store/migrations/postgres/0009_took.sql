-- How long the carrier took to answer a part, milliseconds.
alter table outcome add column took_ms bigint;

-- Parts of long messages that were dealt with are looked for by their age. The same text for both engines.
create index inbound_part_done on inbound_part (done_ms) where done_ms is not null;

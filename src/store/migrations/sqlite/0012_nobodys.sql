-- Receipts of nobody's, by their age: they are forgotten too. The same text for both engines.
create index receipt_nobodys on receipt (received_ms) where message is null;

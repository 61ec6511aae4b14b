-- Whether a run is a server, which alone takes over what earlier ones left; else it is a command beside one.
alter table run add column serves bigint not null default 1;

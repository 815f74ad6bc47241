//! Whole journeys, from a dead link to a ticket, named after the acceptance of the way: each on real
//! input, against real servers, with the daemon as a process.

mod a_real_network;
mod b_zabbix;
mod bad_weather;
mod c_crash;
mod d_desk_down;
mod e_replay;
mod g_metrics;
mod intake_keeps_its_word;
mod reload;
mod seen_from_outside;
mod setting;
mod two_way;

//! The binary's inside: command line, configuration, wiring, shutdown. Decides nothing about
//! networks or tickets; it only connects those who do.

pub mod config;
pub mod replay;
pub mod cli;
pub mod commands;
pub mod logging;
pub mod daemon;

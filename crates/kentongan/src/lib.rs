//! The binary's inside: command line, configuration, wiring, shutdown. Decides nothing about
//! networks or tickets; it only connects those who do.

pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod explain;
pub mod replay;

pub mod logging;

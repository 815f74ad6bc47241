//! The bounds of what a message may hold, each with the reason for its size.

/// The longest line, in bytes. The largest honest event, a maintenance window over hundreds of
/// elements, stays far below; a line beyond it is a file that is no NDJSON.
pub const LINE_MAX: usize = 64 * 1024;

/// The longest id, key, name or word, in bytes. Ids are what a person would write; Zabbix host
/// names have at most 128 characters.
pub const ID_MAX: usize = 256;

/// The longest summary of a signal, in bytes; what is longer is cut, since the words of another
/// monitor are no reason to refuse its alarm. A Zabbix event name has at most 2048 characters.
pub const SUMMARY_MAX: usize = 2 * 1024;

/// The longest note or reason that a person gives, in bytes: some pages.
pub const TEXT_MAX: usize = 16 * 1024;

/// How many values one reply may carry: an agent asked for more is asked in several checks.
pub const VALUES_MAX: usize = 64;

/// How many ids a window may name; larger ones name a site, a class or a tag.
pub const SCOPE_MAX: usize = 256;

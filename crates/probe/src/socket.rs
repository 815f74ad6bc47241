//! The few socket options that no safe crate of ours offers, on descriptors that an engine owns.
//! The only unsafe code of this crate.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::time::Duration;

/// What one queued answer costs of a receive buffer, whatever its size: an `sk_buff` and its head.
pub(crate) const BYTES_PER_ANSWER: u32 = 832;

/// What we ask for; the kernel doubles it for its own bookkeeping.
const WANTED: libc::c_int = 8 << 20;

/// ICMP types that a sample cares about: echo reply, destination unreachable, time exceeded,
/// parameter problem. A redirect is about the way, not the target, and must not end a wait.
const V4_TYPES: [u32; 4] = [0, 3, 11, 12];

/// The same for ICMPv6: unreachable, too big, time exceeded, parameter problem, echo reply.
const V6_TYPES: [u32; 5] = [1, 2, 3, 4, 129];

/// Linux's `ICMP_FILTER` and `ICMP6_FILTER`.
const FILTER: libc::c_int = 1;

/// The place of `sk_drops` in what `SO_MEMINFO` gives (`SK_MEMINFO_DROPS`).
const DROPS: usize = 8;

/// Makes the receive buffer as large as we may: beyond the system's limit with `CAP_NET_ADMIN`, up
/// to it without. Gives the size in force, in bytes.
pub(crate) fn enlarge(fd: RawFd) -> io::Result<u32> {
    if set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &WANTED).is_err() {
        set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &WANTED)?;
    }
    let mut size: libc::c_int = 0;
    get(fd, libc::SO_RCVBUF, &mut size)?;
    Ok(u32::try_from(size).unwrap_or(0))
}

/// Lets a raw socket hear only what samples care about, instead of all ICMP of the host.
pub(crate) fn filter_icmp(fd: RawFd, v6: bool) -> io::Result<()> {
    if v6 {
        // A set bit blocks.
        let mut blocked = [u32::MAX; 8];
        for t in V6_TYPES {
            blocked[(t / 32) as usize] &= !(1 << (t % 32));
        }
        set(fd, libc::IPPROTO_ICMPV6, FILTER, &blocked)
    } else {
        let blocked: u32 = V4_TYPES.iter().fold(u32::MAX, |mask, t| mask & !(1 << t));
        set(fd, libc::SOL_RAW, FILTER, &blocked)
    }
}

/// Answers that the kernel dropped since the socket was opened because its buffer was full.
pub(crate) fn drops(fd: RawFd) -> io::Result<u32> {
    let mut info = [0u32; DROPS + 1];
    get(fd, libc::SO_MEMINFO, &mut info)?;
    Ok(info[DROPS])
}

/// Processor time of this process, user and system.
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec of ours, and the call only writes to it.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if done != 0 {
        return Duration::ZERO;
    }
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn set<T: Copy>(fd: RawFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let size = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to `size` readable bytes of `value`, which outlives the call; a
    // descriptor that is none of a socket is an error, not undefined.
    let done = unsafe { libc::setsockopt(fd, level, name, std::ptr::from_ref(value).cast(), size) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn get<T: Copy>(fd: RawFd, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut size = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to `size` writable bytes of `value`, of which the kernel writes at
    // most as many; every bit pattern is a value of the integers this is called with.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            std::ptr::from_mut(value).cast(),
            &raw mut size,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_full_buffer_is_seen() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = receiver.as_raw_fd();
        set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &4096i32).unwrap();
        assert_eq!(drops(fd).unwrap(), 0);
        for _ in 0..200 {
            sender.send_to(&[0; 64], receiver.local_addr().unwrap()).unwrap();
        }
        assert!(drops(fd).unwrap() > 100, "{}", drops(fd).unwrap());
        assert!(enlarge(fd).unwrap() >= 8192);
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(enlarge(file.as_raw_fd()).is_err());
        assert!(drops(file.as_raw_fd()).is_err());
        assert!(filter_icmp(-1, true).is_err());
    }

    #[test]
    fn processor_time_grows() {
        let before = cpu_time();
        let mut n = 1u64;
        while cpu_time() == before {
            n = std::hint::black_box(n.wrapping_mul(3));
        }
        assert!(cpu_time() > before);
    }
}

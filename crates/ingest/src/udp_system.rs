//! The two system calls that have no safe wrapper: `recvmmsg`, and `getsockopt` for `SO_MEMINFO`.
#![expect(
    unsafe_code,
    reason = "recvmmsg and SO_MEMINFO are only to be had through libc"
)]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// The longest datagram: what IPv4's and IPv6's 16-bit lengths allow.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// As long as `sockaddr_in6`, the longest address of a UDP peer.
const ADDRESS_BYTES: usize = 28;
/// Where the dropped datagrams stand among the numbers of `SO_MEMINFO` (`SK_MEMINFO_DROPS`).
const MEMINFO_DROPS: usize = 8;

/// Memory into which the kernel puts many datagrams at once.
#[derive(Debug)]
pub(crate) struct Datagrams {
    /// One slot after the other. Pages that no datagram has touched are not resident.
    bytes: Vec<u8>,
    addresses: Vec<[u8; ADDRESS_BYTES]>,
    lengths: Vec<usize>,
}

/// One datagram received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
    /// Who sent it; an IPv4 address inside an IPv6 one is taken out.
    pub(crate) peer: SocketAddr,
}

/// Whether to wait for the first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// As long as the socket's receive timeout says.
    ForOne,
    /// Only what is there already.
    No,
}

impl Datagrams {
    /// Room for `slots` datagrams of any length.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            bytes: vec![0; slots * DATAGRAM_BYTES_MAX],
            addresses: vec![[0; ADDRESS_BYTES]; slots],
            lengths: Vec::with_capacity(slots),
        }
    }

    /// Receives as many datagrams as there are and have room; none when there were none in time.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, wait: Wait) -> io::Result<()> {
        self.lengths.clear();
        let mut vectors: Vec<libc::iovec> = self
            .bytes
            .chunks_exact_mut(DATAGRAM_BYTES_MAX)
            .map(|slot| libc::iovec {
                iov_base: slot.as_mut_ptr().cast(),
                iov_len: slot.len(),
            })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = vectors
            .iter_mut()
            .zip(&mut self.addresses)
            .map(|(vector, address)| header(vector, address))
            .collect();
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::No => libc::MSG_DONTWAIT,
        };
        let count = libc::c_uint::try_from(headers.len()).unwrap_or(libc::c_uint::MAX);
        // SAFETY: `headers` holds `count` headers; each points to one vector and one address, and each vector to a
        // slot of its own, all of which outlive the call and are borrowed mutably by nobody else. The timeout may be
        // null. The descriptor is open, being borrowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                flags,
                ptr::null_mut(),
            )
        };
        match usize::try_from(received) {
            Ok(received) => {
                let lengths = headers
                    .iter()
                    .take(received)
                    .map(|header| header.msg_len as usize);
                self.lengths.extend(lengths);
                Ok(())
            }
            Err(_) => nothing_is_no_error(io::Error::last_os_error()),
        }
    }

    /// How many datagrams the last call received.
    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether the last call filled every slot, so that more may be waiting.
    pub(crate) fn is_full(&self) -> bool {
        self.lengths.len() == self.addresses.len()
    }

    /// The datagrams of the last call, in the order of their arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let slots = self.bytes.chunks_exact(DATAGRAM_BYTES_MAX);
        let received = slots.zip(&self.addresses).zip(&self.lengths);
        received.filter_map(|((slot, address), length)| {
            Some(Datagram {
                bytes: slot.get(..*length)?,
                peer: peer(address)?,
            })
        })
    }
}

/// How many datagrams the kernel has dropped on this socket since it was opened, modulo 2³².
///
/// They are counted at the moment of the drop, so that the last ones are seen even when no datagram follows.
pub(crate) fn dropped(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut numbers = [0_u32; MEMINFO_DROPS + 1];
    let mut bytes = libc::socklen_t::try_from(size_of_val(&numbers)).map_err(io::Error::other)?;
    // SAFETY: `numbers` is writable for `bytes` bytes, and both outlive the call; any bits are a valid u32. The
    // descriptor is open, being borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    numbers
        .last()
        .copied()
        .ok_or_else(|| io::Error::other("SO_MEMINFO gave nothing"))
}

/// Sets the socket's receive buffer beyond `net.core.rmem_max`, which takes CAP_NET_ADMIN.
pub(crate) fn force_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    // The kernel doubles the value for its own overhead, and so do its limits.
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX / 2);
    let length = libc::socklen_t::try_from(size_of_val(&bytes)).map_err(io::Error::other)?;
    // SAFETY: `bytes` is readable for `length` bytes and outlives the call. The descriptor is open, being borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const bytes).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn header(vector: &mut libc::iovec, address: &mut [u8; ADDRESS_BYTES]) -> libc::mmsghdr {
    // SAFETY: all-zero bits are a valid `mmsghdr`: null pointers, zero lengths and flags. Some targets have private
    // padding in it, hence no literal.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header.msg_hdr.msg_name = address.as_mut_ptr().cast();
    header.msg_hdr.msg_namelen = libc::socklen_t::try_from(ADDRESS_BYTES).unwrap_or(0);
    header
}

/// No datagram in time, or a signal: the caller looks around and comes again.
fn nothing_is_no_error(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

/// The address in a `sockaddr_in` or `sockaddr_in6`.
fn peer(address: &[u8; ADDRESS_BYTES]) -> Option<SocketAddr> {
    let (family, rest) = address.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::from(*rest.first_chunk::<4>()?)),
        libc::AF_INET6 => {
            // Behind the flow label.
            let (_, rest) = rest.split_first_chunk::<4>()?;
            IpAddr::V6(Ipv6Addr::from(*rest.first_chunk::<16>()?))
        }
        _ => return None,
    };
    Some(SocketAddr::new(
        ip.to_canonical(),
        u16::from_be_bytes(*port),
    ))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind(address).unwrap();
        receiver
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let sender = UdpSocket::bind(address).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (receiver, sender)
    }

    fn check_round_trip(address: &str) {
        let (receiver, sender) = pair(address);
        let mut datagrams = Datagrams::new(4);
        let longest = vec![b'x'; 65_507];
        for bytes in [b"one".as_slice(), b"", &longest, b"a\0b"] {
            sender.send(bytes).unwrap();
        }
        datagrams.receive(receiver.as_fd(), Wait::ForOne).unwrap();
        let received: Vec<Vec<u8>> = datagrams.iter().map(|one| one.bytes.to_vec()).collect();
        assert_eq!(
            received,
            [b"one".to_vec(), Vec::new(), longest, b"a\0b".to_vec()]
        );
        assert!(datagrams.is_full());
        let peer = sender.local_addr().unwrap();
        assert!(datagrams.iter().all(|one| one.peer == peer));
        datagrams.receive(receiver.as_fd(), Wait::No).unwrap();
        assert_eq!(datagrams.len(), 0);
    }

    #[test]
    fn datagrams_come_with_their_bytes_and_peers() {
        check_round_trip("127.0.0.1:0");
        check_round_trip("[::1]:0");
    }

    #[test]
    fn the_kernels_drops_are_counted_without_a_further_datagram() {
        let (receiver, sender) = pair("127.0.0.1:0");
        socket2::SockRef::from(&receiver)
            .set_recv_buffer_size(4096)
            .unwrap();
        for _ in 0..100 {
            sender.send(&[0; 200]).unwrap();
        }
        let dropped = dropped(receiver.as_fd()).unwrap() as usize;
        assert!(dropped > 0);
        let mut datagrams = Datagrams::new(128);
        datagrams.receive(receiver.as_fd(), Wait::No).unwrap();
        assert_eq!(datagrams.len() + dropped, 100);
    }
}

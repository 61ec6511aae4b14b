//! One socket, one session, one sleep: moves octets and time, and decides nothing.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use protocol::session::{Event, Session};
use tokio::net::TcpStream;
use tokio::time::sleep_until;

/// One read takes at most this much: some 800 usual PDUs, so that a busy peer costs few system calls.
const READ_OCTETS: usize = 64 * 1024;

/// A session on a socket. `T` tags the requests made on it.
pub struct Driver<T> {
    stream: TcpStream,
    session: Session<T>,
    unsent: Bytes,
    inbox: Box<[u8]>,
    open: bool,
}

impl<T> Driver<T> {
    /// Puts a session on a socket.
    ///
    /// # Errors
    /// Where the socket refuses TCP_NODELAY: it is closed already.
    pub fn new(stream: TcpStream, session: Session<T>) -> io::Result<Self> {
        // A carrier that delays its ACKs must not slow us: small PDUs leave at once.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            session,
            unsent: Bytes::new(),
            inbox: vec![0; READ_OCTETS].into_boxed_slice(),
            open: true,
        })
    }

    /// The session, for commands. What they say leaves with the next [`Driver::event`] or [`Driver::flush`].
    pub fn session(&mut self) -> &mut Session<T> {
        &mut self.session
    }

    /// The next event; `None` once the socket is closed and everything is told. Dropping the future loses nothing.
    pub async fn event(&mut self) -> Option<Event<T>> {
        loop {
            if let Some(event) = self.session.poll_event() {
                return Some(event);
            }
            if !self.open {
                return None;
            }
            self.flush();
            if !self.open {
                continue;
            }
            if self.session.is_closed() && self.unsent.is_empty() {
                self.open = false;
                continue;
            }
            let deadline = self.session.poll_timeout();
            tokio::select! {
                ready = self.stream.readable(), if self.session.wants_read() => match ready {
                    Ok(()) => self.read(),
                    Err(_) => self.close(),
                },
                ready = self.stream.writable(), if !self.unsent.is_empty() => match ready {
                    Ok(()) => self.flush(),
                    Err(_) => self.close(),
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
                    self.session.handle_timeout(Instant::now());
                }
            }
        }
    }

    /// Whether everything said so far is with the operating system.
    pub fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Writes what the session has to say, as far as the socket takes it now.
    pub fn flush(&mut self) {
        while self.open {
            if self.unsent.is_empty() {
                match self.session.poll_transmit() {
                    Some(octets) => self.unsent = octets,
                    None => return,
                }
            }
            match self.stream.try_write(&self.unsent) {
                Ok(0) => self.close(),
                Ok(written) => drop(self.unsent.split_to(written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.close(),
            }
        }
    }

    fn read(&mut self) {
        match self.stream.try_read(&mut self.inbox) {
            Ok(0) => self.close(),
            Ok(read) => self.session.handle_bytes(Instant::now(), &self.inbox[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.close(),
        }
    }

    fn close(&mut self) {
        if self.open {
            self.open = false;
            self.unsent = Bytes::new();
            self.session.handle_closed(Instant::now());
        }
    }
}

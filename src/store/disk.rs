//! Nobody is told of a commit before it is on disk. While a large one is put there the next one is made; after a small one
//! the writer waits, so that more comes together.
//!
//! SQLite with `synchronous=FULL` waits in each commit until the disk has its write-ahead log: a seventh of all time. With
//! `NORMAL` it writes the log in the same order and leaves that to us: what the log has lost by a power cut it has lost from
//! its end, so with what was synced all before it is there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::error::StoreError;

/// Commits that wait while one is put on disk. With more the writer waits, so that they become larger instead.
const WAITING: usize = 1;

/// Somebody to be told.
pub(super) trait Told: Send + 'static {
    /// It is on disk.
    fn tell(self);
    /// Nobody knows whether it is.
    fn fail(self, error: StoreError);
}

/// What puts commits on disk, large ones on a thread of its own.
pub(super) struct Disk<T> {
    log: Arc<Log>,
    commits: SyncSender<Vec<T>>,
    thread: JoinHandle<()>,
}

/// The write-ahead log. One sync at a time, so that none is told to be good after one that was not.
struct Log {
    sync: Mutex<Box<dyn FnMut() -> io::Result<()> + Send>>,
    broken: AtomicBool,
}

/// Whether the writer goes on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// It makes the next commit.
    GoOn,
    /// It waits.
    Wait,
}

impl<T: Told> Disk<T> {
    /// For the database in this file.
    pub(super) fn of(database: &std::path::Path) -> io::Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        let mut open: Option<(File, (u64, u64))> = None;
        Self::with(move || {
            let which = match std::fs::metadata(&log) {
                Ok(log) => (log.dev(), log.ino()),
                // The last connection that closes removes it, once all of it is in the database.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            // Kept open: to a file opened later the system does not tell what went wrong before.
            let file = match open.take().filter(|(_, opened)| *opened == which) {
                Some((file, _)) => file,
                None => OpenOptions::new().write(true).open(&log)?,
            };
            file.sync_data()?;
            open = Some((file, which));
            Ok(())
        })
    }

    fn with(sync: impl FnMut() -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (commits, queue) = sync_channel(WAITING);
        let log = Arc::new(Log { sync: Mutex::new(Box::new(sync)), broken: AtomicBool::new(false) });
        let thread = {
            let log = Arc::clone(&log);
            std::thread::Builder::new().name("disk".to_owned()).spawn(move || run(&queue, &log))?
        };
        Ok(Self { log, commits, thread })
    }

    /// Tells these as soon as all that is committed is on disk. They come in the order of their commits.
    pub(super) fn tell(&self, told: Vec<T>, meanwhile: Meanwhile) {
        if meanwhile == Meanwhile::Wait {
            self.log.tell(told);
        } else if let Err(unsent) = self.commits.send(told) {
            let gone = || StoreError::Unknown("nothing is put on disk any more".to_owned());
            unsent.0.into_iter().for_each(|one| one.fail(gone()));
        }
    }

    /// Whether the disk has refused something. What is told from then on is told to have failed: a log with a hole is read no
    /// further than that.
    pub(super) fn is_broken(&self) -> bool {
        self.log.broken.load(Ordering::Acquire)
    }

    /// All that was committed is in the database itself, which is on disk.
    pub(super) fn mended(&self) {
        self.log.broken.store(false, Ordering::Release);
    }

    /// When all are told.
    pub(super) fn end(self) {
        drop(self.commits);
        // A thread that panicked has told nobody, who notices.
        let _ = self.thread.join();
    }
}

fn run<T: Told>(queue: &Receiver<Vec<T>>, log: &Log) {
    while let Ok(mut told) = queue.recv() {
        told.extend(queue.try_iter().flatten());
        log.tell(told);
    }
}

impl Log {
    fn tell<T: Told>(&self, told: Vec<T>) {
        let done = {
            let mut sync = self.sync.lock().unwrap_or_else(PoisonError::into_inner);
            let done = match self.broken.load(Ordering::Acquire) {
                true => Err(io::Error::other("it refused what came before")),
                false => sync(),
            };
            self.broken.store(done.is_err(), Ordering::Release);
            done
        };
        match done {
            Ok(()) => told.into_iter().for_each(Told::tell),
            Err(error) => {
                tracing::error!(%error, "the disk does not take what is written");
                let unknown = || StoreError::Unknown(format!("the disk says: {error}"));
                told.into_iter().for_each(|one| one.fail(unknown()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct One(u32, Sender<(u32, bool)>);

    impl Told for One {
        fn tell(self) {
            self.1.send((self.0, true)).unwrap();
        }

        fn fail(self, _error: StoreError) {
            self.1.send((self.0, false)).unwrap();
        }
    }

    #[test]
    fn nobody_is_told_before_the_disk_has_it() {
        let (allow, allowed) = channel::<()>();
        let (begin, begun) = channel();
        let disk = Disk::with(move || {
            begin.send(()).unwrap();
            allowed.recv().map_err(io::Error::other)
        })
        .unwrap();
        let (to, told) = channel();
        disk.tell(vec![One(1, to.clone())], Meanwhile::GoOn);
        begun.recv().unwrap();
        disk.tell(vec![One(2, to.clone())], Meanwhile::GoOn);
        assert!(told.try_recv().is_err(), "it is being written");
        allow.send(()).unwrap();
        assert_eq!(told.recv(), Ok((1, true)));
        begun.recv().unwrap();
        assert!(told.try_recv().is_err(), "what came meanwhile has its own turn");
        allow.send(()).unwrap();
        disk.end();
        assert_eq!(told.recv(), Ok((2, true)));
    }

    #[test]
    fn after_a_refusal_nothing_is_told_to_be_on_disk_until_it_is_mended() {
        let mut first = true;
        let disk = Disk::with(move || match std::mem::take(&mut first) {
            true => Err(io::Error::other("no")),
            false => Ok(()),
        })
        .unwrap();
        let (to, told) = channel();
        for (one, meanwhile) in [(1, Meanwhile::GoOn), (2, Meanwhile::Wait)] {
            disk.tell(vec![One(one, to.clone())], meanwhile);
            assert_eq!(told.recv(), Ok((one, false)));
            assert!(disk.is_broken());
        }
        disk.mended();
        disk.tell(vec![One(3, to)], Meanwhile::Wait);
        assert_eq!(told.recv(), Ok((3, true)));
        assert!(!disk.is_broken());
    }
}

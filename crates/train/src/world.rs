//! Several processes at one training.
//!
//! Every process has the whole recipe, all data and all weights, and goes through the same steps. What they compute apart,
//! the gradients of a batch's parts and the sums over pieces of the validation split, goes to rank 0, which adds it up in the
//! order of the parts and sends the sum to all. So the number of processes changes no bit of the result, and weights need
//! not be sent. Rank 0 alone writes files, and alone looks at the clock.
//!
//! The links are TCP. Messages are `FDCL`, a kind, a count that must be the same on both sides, a length, and bytes. A process
//! that ends or is silent for too long is named by rank 0, which tells all others to stop.
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::{Error, files};

const MAGIC: [u8; 4] = *b"FDCL";
const HELLO: [u8; 8] = *b"FIDUCIAL";

/// What is read before memory for more of a message is taken: a length may lie.
const PIECE: usize = 1 << 20;

/// How long a stranger may take to say who it is.
const GREETING: Duration = Duration::from_secs(5);

/// Where the processes of a training meet.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// How many processes there are.
    pub size: usize,
    /// A secret of theirs, so that no other program takes part by mistake. It is no protection against an attacker who
    /// reads the network.
    pub key: String,
    /// How long a process may be silent.
    pub patience: Duration,
}

/// Tells, of the process of a rank, how it ended, if it did.
pub type Watch = Box<dyn FnMut(usize) -> Option<String>>;

/// This process among those of a training.
pub struct World {
    rank: usize,
    size: usize,
    /// To all others for rank 0, in their order; to rank 0 for the others.
    links: Vec<TcpStream>,
    messages: u64,
    patience: Duration,
    watch: Option<Watch>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World(rank {} of {})", self.rank, self.size)
    }
}

impl World {
    /// One process, which needs no other.
    pub fn alone() -> Self {
        Self { rank: 0, size: 1, links: Vec::new(), messages: 0, patience: Duration::MAX, watch: None }
    }

    /// Rank 0: waits until all others have joined. `watch` is asked now and then whether one has ended before.
    ///
    /// # Errors
    /// Processes that have ended or not joined in time, each named.
    pub fn host(listener: &TcpListener, meeting: &Meeting, mut watch: Option<Watch>) -> Result<Self, Error> {
        let mut seats: Vec<Option<TcpStream>> = (1..meeting.size).map(|_| None).collect();
        let begun = Instant::now();
        listener.set_nonblocking(true).map_err(network)?;
        while seats.iter().any(Option::is_none) {
            match listener.accept() {
                Ok((stream, _)) => {
                    // A stranger is sent away without a word.
                    if let Some((rank, stream)) = greet(stream, meeting)
                        && let Some(seat @ None) = rank.checked_sub(1).and_then(|seat| seats.get_mut(seat))
                    {
                        *seat = Some(stream);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => return Err(network(error)),
            }
            for rank in 1..meeting.size {
                if seats[rank - 1].is_none()
                    && let Some(reason) = watch.as_mut().and_then(|watch| watch(rank))
                {
                    return Err(Error::Worker { rank, reason });
                }
            }
            if let Some(seat) = seats.iter().position(Option::is_none)
                && begun.elapsed() > meeting.patience
            {
                let reason = format!("did not join within {} s", meeting.patience.as_secs());
                return Err(Error::Worker { rank: seat + 1, reason });
            }
        }
        let links = seats.into_iter().flatten().collect();
        Ok(Self { rank: 0, size: meeting.size, links, messages: 0, patience: meeting.patience, watch })
    }

    /// Any other rank: joins rank 0 at `address`, which may come up later.
    ///
    /// # Errors
    /// No such address, or nobody there in time.
    pub fn join(address: &str, rank: usize, meeting: &Meeting) -> Result<Self, Error> {
        let begun = Instant::now();
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > meeting.patience => {
                    let reason = format!("cannot be reached at {address}: {error}");
                    return Err(Error::Worker { rank: 0, reason });
                }
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        };
        // Rank 0 may itself be waiting for another: it has to be the first to lose patience.
        let patience = meeting.patience.saturating_mul(2);
        let mut stream = prepared(stream, patience).map_err(network)?;
        let mut hello = HELLO.to_vec();
        hello.extend(files::sha256(meeting.key.as_bytes()).bytes());
        hello.extend([rank as u64, meeting.size as u64].iter().flat_map(|number| number.to_le_bytes()));
        stream.write_all(&hello).map_err(network)?;
        Ok(Self { rank, size: meeting.size, links: vec![stream], messages: 0, patience, watch: None })
    }

    /// The rank of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether there is no other.
    pub fn is_alone(&self) -> bool {
        self.size == 1
    }

    /// This process's part of `number` things.
    pub(crate) fn share(&self, number: usize) -> Range<usize> {
        self.rank * number / self.size..(self.rank + 1) * number / self.size
    }

    /// Every process gives some bytes; rank 0 makes one answer of them, in the order of the ranks, which all get.
    pub(crate) fn exchange(
        &mut self,
        mine: Vec<u8>,
        combine: impl FnOnce(Vec<Vec<u8>>) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Error> {
        self.messages += 1;
        if self.rank > 0 {
            self.send(0, Kind::Data, &mine)?;
            return self.receive(0);
        }
        let mut all = vec![mine];
        for link in 0..self.links.len() {
            all.push(self.receive(link)?);
        }
        let answer = combine(all)?;
        for link in 0..self.links.len() {
            self.send(link, Kind::Data, &answer)?;
        }
        Ok(answer)
    }

    /// What rank 0 says, for all.
    pub(crate) fn follow(&mut self, mine: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mine = if self.rank == 0 { mine } else { Vec::new() };
        self.exchange(mine, |all| Ok(all.into_iter().next().unwrap_or_default()))
    }

    /// Tells the others why this process gives up, as far as they still listen.
    pub(crate) fn abort(&mut self, reason: &str) {
        for link in 0..self.links.len() {
            let _ = self.send(link, Kind::Abort, reason.as_bytes());
        }
    }

    fn peer(&self, link: usize) -> usize {
        if self.rank == 0 { link + 1 } else { 0 }
    }

    fn send(&mut self, link: usize, kind: Kind, bytes: &[u8]) -> Result<(), Error> {
        let mut header = [0; 21];
        header[..4].copy_from_slice(&MAGIC);
        header[4] = kind as u8;
        header[5..13].copy_from_slice(&self.messages.to_le_bytes());
        header[13..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        let stream = &mut self.links[link];
        let sent = stream.write_all(&header).and_then(|()| stream.write_all(bytes));
        sent.map_err(|error| self.lost(link, &error))
    }

    fn receive(&mut self, link: usize) -> Result<Vec<u8>, Error> {
        let rank = self.peer(link);
        let mut header = [0; 21];
        self.links[link].read_exact(&mut header).map_err(|error| self.lost(link, &error))?;
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
        let (message, length) = (word(5), word(13));
        let refuse = |reason: &str| Err(Error::Worker { rank, reason: reason.to_owned() });
        if header[..4] != MAGIC || header[4] > Kind::Abort as u8 {
            return refuse("sent what is no message of a training");
        }
        let mut bytes = Vec::new();
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        while left > 0 {
            let begin = bytes.len();
            bytes.resize(begin + left.min(PIECE), 0);
            self.links[link].read_exact(&mut bytes[begin..]).map_err(|error| self.lost(link, &error))?;
            left -= bytes.len() - begin;
        }
        if header[4] == Kind::Abort as u8 {
            return refuse(&format!("gave up: it failed to {}", String::from_utf8_lossy(&bytes)));
        }
        if message != self.messages {
            return refuse(&format!("is at message {message}, rank {} at {}", self.rank, self.messages));
        }
        Ok(bytes)
    }

    /// Why a peer can no longer be heard or spoken to.
    fn lost(&mut self, link: usize, error: &std::io::Error) -> Error {
        let rank = self.peer(link);
        let silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let mut reason = match silent {
            true => format!("has been silent for {} s", self.patience.as_secs_f64()),
            false => format!("has ended: {error}"),
        };
        // The connection of a process that was killed breaks a moment before the process is gone.
        for _ in 0..if silent { 0 } else { 50 } {
            if let Some(ended) = self.watch.as_mut().and_then(|watch| watch(rank)) {
                reason = ended;
                break;
            }
            if self.watch.is_none() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Error::Worker { rank, reason }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Data = 0,
    Abort = 1,
}

/// The rank of who has connected, if it knows the key.
fn greet(stream: TcpStream, meeting: &Meeting) -> Option<(usize, TcpStream)> {
    let mut stream = prepared(stream, GREETING.min(meeting.patience)).ok()?;
    let mut hello = [0; HELLO.len() + 64 + 16];
    stream.read_exact(&mut hello).ok()?;
    let (key, numbers) = hello.strip_prefix(&HELLO)?.split_at(64);
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| numbers[at + byte]));
    let known = key == files::sha256(meeting.key.as_bytes()).as_bytes() && number(8) == meeting.size as u64;
    let stream = prepared(stream, meeting.patience).ok()?;
    known.then_some((usize::try_from(number(0)).ok()?, stream))
}

fn prepared(stream: TcpStream, patience: Duration) -> std::io::Result<TcpStream> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

fn network(error: std::io::Error) -> Error {
    Error::Io { action: "reach the other processes of", path: "the training".into(), source: error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(size: usize, seconds: f64) -> Meeting {
        Meeting { size, key: "k".into(), patience: Duration::from_secs_f64(seconds) }
    }

    fn with_others<T>(size: usize, seconds: f64, other: fn(World) -> T, first: impl FnOnce(World)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::scope(|scope| {
            for rank in 1..size {
                let address = address.clone();
                scope.spawn(move || {
                    other(World::join(&address, rank, &meeting(size, seconds)).unwrap());
                });
            }
            first(World::host(&listener, &meeting(size, seconds), None).unwrap());
        });
    }

    #[test]
    fn all_get_one_answer_in_the_order_of_ranks() {
        let talk = |mut world: World| {
            for round in 0..5_u8 {
                let mine = vec![world.rank() as u8 + round; 3_000_000 * world.rank()];
                let answer =
                    world.exchange(mine, |all| Ok(all.iter().flat_map(|it| it.first()).copied().collect()));
                assert_eq!(answer.unwrap(), (1..4).map(|rank| rank + round).collect::<Vec<_>>());
                assert_eq!(world.follow(vec![world.rank() as u8]).unwrap(), [0]);
            }
            assert_eq!((0..=world.share(10).end).count() - 1, [2, 5, 7, 10][world.rank()]);
        };
        with_others(4, 20.0, talk, talk);
    }

    #[test]
    fn who_ends_or_is_silent_or_gives_up_is_named() {
        let check = |other: fn(World), message: &str| {
            with_others(3, 0.5, other, |mut world| {
                let error = world.exchange(Vec::new(), |_| Ok(Vec::new())).unwrap_err();
                world.abort(&error.to_string());
                assert!(error.to_string().contains(message), "{error}");
            });
        };
        // Rank 1 waits, and is told why.
        check(
            |world| {
                if world.rank() == 1 {
                    other_waits(world);
                }
            },
            "rank 2 has ended",
        );
        check(
            |world| match world.rank() {
                1 => other_waits(world),
                _ => std::thread::sleep(Duration::from_secs(1)),
            },
            "rank 2 has been silent for 0.5 s",
        );
        check(
            |mut world| match world.rank() {
                1 => other_waits(world),
                _ => world.abort("read the data"),
            },
            "rank 2 gave up: it failed to read the data",
        );
    }

    fn other_waits(mut world: World) {
        let error = world.exchange(Vec::new(), |_| Ok(Vec::new())).unwrap_err().to_string();
        assert!(error.contains("rank 0 gave up: it failed to ") && error.contains("rank 2"), "{error}");
    }

    #[test]
    fn strangers_and_absent_processes_are_no_part_of_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.write_all(&[7; 200]).unwrap();
        let error = World::host(&listener, &meeting(2, 0.3), None).unwrap_err().to_string();
        assert!(error.contains("rank 1 did not join within 0 s"), "{error}");
        let ended: Watch = Box::new(|rank| (rank == 2).then(|| "has ended with code 3".to_owned()));
        let error = World::host(&listener, &meeting(3, 20.0), Some(ended)).unwrap_err().to_string();
        assert!(error.contains("rank 2 has ended with code 3"), "{error}");
    }
}

//! HepMC3's ASCII format (`Asciiv3`), and what HepMC2's has in common with it. Energies become GeV and lengths mm, whatever unit an
//! event declares.

use std::collections::BTreeSet;

use super::sheet::{Column, Level, Number, Sheet};
use super::{Fault, hepmc2};

const START: &[u8] = b"HepMC::Asciiv3-START_EVENT_LISTING";
const END: &[u8] = b"HepMC::Asciiv3-END_EVENT_LISTING";
const MOST_WEIGHTS: usize = 100_000;

/// Which of the two formats a file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Two,
    Three,
}

impl Version {
    /// The one whose listing a line begins.
    fn begun_by(line: &[u8]) -> Option<Self> {
        match line {
            START => Some(Self::Three),
            hepmc2::START => Some(Self::Two),
            _ => None,
        }
    }

    fn end(self) -> &'static [u8] {
        match self {
            Self::Two => hepmc2::END,
            Self::Three => END,
        }
    }
}

/// What is common to all events.
#[derive(Debug, Clone)]
pub(super) struct Header {
    version: Version,
    /// The names of the weights, or their places where they have none.
    weights: Vec<String>,
}

impl Header {
    pub(super) fn weights(&self) -> &[String] {
        &self.weights
    }

    /// The first of the columns that only HepMC2 has.
    pub(super) fn first_of_event(&self) -> usize {
        places::VERTEX + VERTEX.len()
    }

    pub(super) fn first_weight(&self) -> usize {
        let more = if self.version == Version::Two { hepmc2::EVENT.len() } else { 0 };
        self.first_of_event() + more
    }
}

const EVENT: [(&str, &str); 1] = [("event_number", "the number that the generator gave to the event")];
pub(super) const PARTICLE: [(&str, Number, &str, &str); 9] = [
    (
        "particle_parent",
        Number::Int,
        "",
        "where it comes from: below 0 the vertex of that id, above 0 the particle of that place (from 1), 0 nowhere",
    ),
    ("particle_id", Number::Int, "", "what the particle is, in the PDG's numbering"),
    ("particle_px", Number::Float, "GeV", "x component of the momentum"),
    ("particle_py", Number::Float, "GeV", "y component of the momentum"),
    ("particle_pz", Number::Float, "GeV", "z component of the momentum"),
    ("particle_e", Number::Float, "GeV", "energy"),
    ("particle_mass", Number::Float, "GeV", "generated mass"),
    ("particle_status", Number::Int, "", "1 final, 2 decayed, 4 beam, others the generator's own"),
    ("particle_end_vertex", Number::Int, "", "the vertex that it goes into, where the file lists it; else 0"),
];
pub(super) const VERTEX: [(&str, Number, &str, &str); 6] = [
    ("vertex_id", Number::Int, "", "the vertex's id, below 0"),
    ("vertex_status", Number::Int, "", "the generator's own"),
    ("vertex_x", Number::Optional, "mm", "position, where the vertex has one of its own"),
    ("vertex_y", Number::Optional, "mm", "position, where the vertex has one of its own"),
    ("vertex_z", Number::Optional, "mm", "position, where the vertex has one of its own"),
    ("vertex_t", Number::Optional, "mm", "time times c, where the vertex has one of its own"),
];

/// The columns of both formats: where those of each kind begin.
pub(super) mod places {
    pub(in super::super) const EVENT: usize = 0;
    pub(in super::super) const PARTICLE: usize = EVENT + super::EVENT.len();
    pub(in super::super) const END_VERTEX: usize = VERTEX - 1;
    pub(in super::super) const VERTEX: usize = PARTICLE + super::PARTICLE.len();
}

pub(super) fn is_hepmc(start: &[u8]) -> bool {
    start.trim_ascii_start().starts_with(b"HepMC::")
}

pub(super) fn columns(header: &Header) -> Vec<Column> {
    let event = EVENT.iter().map(|(name, text)| Column::new(name, Level::Event, Number::Int, "", text));
    let particle = PARTICLE
        .iter()
        .map(|(name, number, unit, text)| Column::new(name, Level::Particle, *number, unit, text));
    let vertex =
        VERTEX.iter().map(|(name, number, unit, text)| Column::new(name, Level::Vertex, *number, unit, text));
    let weights = header.weights.iter().map(|name| {
        let text = format!("the event's weight `{name}`");
        Column::new(&format!("weight_{name}"), Level::Event, Number::Float, "", &text)
    });
    let of_two = hepmc2::EVENT.iter().filter(|_| header.version == Version::Two);
    let more = of_two.map(|(name, number, text)| Column::new(name, Level::Event, *number, "", text));
    event.chain(particle).chain(vertex).chain(more).chain(weights).collect()
}

/// Where each event begins, and where the last one ends. Several listings one behind the other, as `cat` makes them, are read as one.
pub(super) fn index(bytes: &[u8]) -> Result<(Header, Vec<usize>), String> {
    let (mut starts, mut end) = (Vec::new(), 0);
    let mut header: Option<Header> = None;
    // The listing that has begun, and the number of its first event.
    let mut within: Option<(Version, usize)> = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        match (within, &mut header) {
            (Some((version, _)), _) if text == version.end() => (end, within) = (at, None),
            (Some((version, first)), Some(header)) => {
                if text.starts_with(b"E ") {
                    starts.push(at);
                }
                let place = Place { version, listing: first, event: starts.len() };
                read_weights(header, text, place)?;
            }
            (_, header) => match Version::begun_by(text) {
                Some(version) if header.as_ref().is_none_or(|header| header.version == version) => {
                    within = Some((version, starts.len()));
                    header.get_or_insert(Header { version, weights: Vec::new() });
                }
                _ if text.starts_with(b"HepMC::") && text.ends_with(b"START_EVENT_LISTING") => {
                    let text = String::from_utf8_lossy(text);
                    let what = if header.is_some() { "the file begins with" } else { "can be read" };
                    return Err(format!("`{text}` is another format than what {what}"));
                }
                _ if header.is_some() && !text.is_empty() && !text.starts_with(b"HepMC::") => {
                    return Err(format!("something follows the end of the events, at byte {at}"));
                }
                _ => {}
            },
        }
        at += line.len();
    }
    let Some(header) = header.filter(|_| within.is_none()) else {
        return Err(format!("it is cut short after {} events", starts.len().saturating_sub(1)));
    };
    if !starts.is_empty() {
        starts.push(end);
    }
    let mut sorted = header.weights.clone();
    sorted.sort();
    sorted.dedup();
    if sorted.len() != header.weights.len() {
        return Err("two weights have one name".to_owned());
    }
    Ok((header, starts))
}

/// Where in a file a line stands.
#[derive(Clone, Copy)]
struct Place {
    version: Version,
    /// The events before its listing.
    listing: usize,
    /// The events up to here, its own one included.
    event: usize,
}

/// What a line says of the weights' names. HepMC3 has them at the head of a listing, HepMC2 in its events; where there are none, the
/// first event says how many weights there are.
fn read_weights(header: &mut Header, line: &[u8], place: Place) -> Result<(), String> {
    let is_first = place.event == 1;
    let wanted: &[u8] = match place.version {
        Version::Three if place.event == place.listing || is_first && header.weights.is_empty() => b"W ",
        Version::Two if is_first => b"EN",
        _ => return Ok(()),
    };
    let Some((kind, b' ')) = line.first().zip(line.get(1).copied()).filter(|(kind, _)| wanted.contains(kind))
    else {
        return Ok(());
    };
    let text = std::str::from_utf8(&line[2..]).map_err(|_| "the weights' names are not a text")?;
    let numbered = |count: usize| (0..count).map(|place| place.to_string()).collect();
    let names: Vec<String> = match kind {
        b'E' => numbered(hepmc2::count_weights(text)?),
        b'N' => hepmc2::weight_names(text)?,
        _ if place.event > place.listing => numbered(text.split_ascii_whitespace().count()),
        _ => text.split(r"\|").map(|name| name.replace(r"\\", r"\")).collect(),
    };
    if names.len() > MOST_WEIGHTS {
        return Err(format!("an event cannot have {} weights", names.len()));
    }
    if place.version == Version::Three && place.listing > 0 && names != header.weights {
        return Err(format!("its weights have other names from event {} on", place.listing));
    }
    header.weights = names;
    Ok(())
}

/// What an event's units are in GeV and mm.
pub(super) struct Units {
    pub(super) energy: f64,
    pub(super) length: f64,
}

impl Units {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace();
        let energy = match words.next() {
            Some("GEV") => 1.0,
            Some("MEV") => 1e-3,
            other => return Err(format!("the unit of energy {other:?} is not known")),
        };
        let length = match words.next() {
            Some("MM") => 1.0,
            Some("CM") => 10.0,
            other => return Err(format!("the unit of length {other:?} is not known")),
        };
        Ok(Self { energy, length })
    }
}

/// Reads one event, from its line `E` on.
pub(super) fn event(header: &Header, text: &str, sheet: &mut Sheet) -> Result<(), Fault> {
    if header.version == Version::Two {
        return hepmc2::event(header, text, sheet);
    }
    let mut units = None;
    let (mut particles, mut vertices, mut has_weights) = (0_usize, 0_usize, false);
    let mut expected = (0, 0);
    // Particles that are parents themselves: their vertices have no line.
    let mut unlisted = BTreeSet::new();
    // For each particle, the vertex that it goes into.
    let mut ends: Vec<i32> = Vec::new();
    // Behind the last event of a listing its end may stand, and the head of the next one.
    for (line, text) in text.lines().enumerate().take_while(|(_, text)| !text.starts_with("HepMC::")) {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut words = rest.split_ascii_whitespace();
        let parsed = match kind {
            "E" => (|| {
                sheet.parse(places::EVENT, words.next(), "event's number")?;
                expected = (super::number(words.next(), "number of vertices")?, 0);
                expected.1 = super::number(words.next(), "number of particles")?;
                Ok(())
            })(),
            "U" => Units::parse(rest).map(|found| units = Some(found)),
            "W" => {
                has_weights = true;
                weights(header, rest, sheet)
            }
            "P" => units.as_ref().ok_or_else(|| "it has no units before its particles".to_owned()).and_then(
                |units| {
                    particles += 1;
                    let parent = particle(&mut words, particles, units, sheet)?;
                    if parent > 0 {
                        unlisted.insert(parent);
                    }
                    ends.push(0);
                    Ok(())
                },
            ),
            "V" => units.as_ref().ok_or_else(|| "it has no units before its vertices".to_owned()).and_then(
                |units| {
                    vertices += 1;
                    vertex(rest, units, sheet, &mut ends)
                },
            ),
            // Attributes and tools.
            "A" | "T" | "N" | "" => Ok(()),
            other => Err(format!("a line cannot begin with `{other}`")),
        };
        parsed.map_err(|reason: String| (line, reason))?;
    }
    vertices += unlisted.len();
    if (vertices, particles) != expected {
        let (wants_vertices, wants) = expected;
        let reason = format!(
            "it has {vertices} vertices and {particles} particles where {wants_vertices} and {wants} are promised"
        );
        return Err((0, reason));
    }
    if !has_weights && !header.weights.is_empty() {
        return Err((0, "it has no weights".to_owned()));
    }
    ends.iter().for_each(|end| sheet.push(places::END_VERTEX, *end));
    Ok(())
}

fn weights(header: &Header, text: &str, sheet: &mut Sheet) -> Result<(), String> {
    let mut words = text.split_ascii_whitespace();
    for (place, name) in header.weights.iter().enumerate() {
        sheet.parse(header.first_weight() + place, words.next(), &format!("weight `{name}`"))?;
    }
    let more = words.count();
    if more == 0 { Ok(()) } else { Err(format!("it has {more} weights more than there are names")) }
}

/// `P ID PARENT PDG PX PY PZ E MASS STATUS`; the parent.
fn particle<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    place: usize,
    units: &Units,
    sheet: &mut Sheet,
) -> Result<i32, String> {
    let id: usize = super::number(words.next(), "particle's id")?;
    if id != place {
        return Err(format!("the particle {id} stands in place {place}"));
    }
    let parent = words.next();
    sheet.parse(places::PARTICLE, parent, "particle's parent")?;
    for (offset, (name, _, unit, _)) in PARTICLE[..PARTICLE.len() - 1].iter().enumerate().skip(1) {
        if unit.is_empty() {
            sheet.parse(places::PARTICLE + offset, words.next(), name)?;
        } else {
            sheet.scaled(places::PARTICLE + offset, words.next(), units.energy, name)?;
        }
    }
    if let Some(word) = words.next() {
        return Err(format!("`{word}` follows a particle's status"));
    }
    sheet.end_item(Level::Particle)?;
    super::number(parent, "particle's parent")
}

/// `V ID STATUS [IN,IN] @ X Y Z T`, the position only where the vertex has one.
fn vertex(text: &str, units: &Units, sheet: &mut Sheet, ends: &mut [i32]) -> Result<(), String> {
    let (head, position) = text.split_once('@').map_or((text, None), |(head, at)| (head, Some(at)));
    let (numbers, incoming) = head.split_once('[').ok_or("a vertex has no list of particles")?;
    let incoming =
        incoming.trim_end().strip_suffix(']').ok_or("a vertex's list of particles does not end")?;
    let mut words = numbers.split_ascii_whitespace();
    let id = words.next();
    sheet.parse(places::VERTEX, id, "vertex's id")?;
    sheet.parse(places::VERTEX + 1, words.next(), "vertex's status")?;
    let id: i32 = super::number(id, "vertex's id")?;
    for word in incoming.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let particle: usize = super::number(Some(word), "particle that goes into a vertex")?;
        let end = particle.checked_sub(1).and_then(|place| ends.get_mut(place));
        *end.ok_or_else(|| format!("the particle {particle} goes into a vertex before it is there"))? = id;
    }
    let mut words = position.map(str::split_ascii_whitespace);
    for column in places::VERTEX + 2..places::VERTEX + VERTEX.len() {
        match &mut words {
            Some(words) => sheet.scaled(column, words.next(), units.length, "vertex's position")?,
            None => sheet.missing(column),
        }
    }
    sheet.end_item(Level::Vertex)
}

//! HepMC3's ASCII format (`Asciiv3`). Energies become GeV and lengths mm, whatever unit an event declares.

use std::collections::BTreeSet;

use super::Fault;
use super::sheet::{Column, Level, Number, Sheet};

const START: &[u8] = b"HepMC::Asciiv3-START_EVENT_LISTING";
const END: &[u8] = b"HepMC::Asciiv3-END_EVENT_LISTING";
const MOST_WEIGHTS: usize = 100_000;

/// What is common to all events.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    /// The names of the weights, or their places where they have none.
    weights: Vec<String>,
}

const EVENT: [(&str, &str); 1] = [("event_number", "the number that the generator gave to the event")];
const PARTICLE: [(&str, Number, &str, &str); 9] = [
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
const VERTEX: [(&str, Number, &str, &str); 6] = [
    ("vertex_id", Number::Int, "", "the vertex's id, below 0"),
    ("vertex_status", Number::Int, "", "the generator's own"),
    ("vertex_x", Number::Optional, "mm", "position, where the vertex has one of its own"),
    ("vertex_y", Number::Optional, "mm", "position, where the vertex has one of its own"),
    ("vertex_z", Number::Optional, "mm", "position, where the vertex has one of its own"),
    ("vertex_t", Number::Optional, "mm", "time times c, where the vertex has one of its own"),
];
const FIRST_PARTICLE: usize = EVENT.len();
const END_VERTEX: usize = FIRST_PARTICLE + PARTICLE.len() - 1;
const FIRST_VERTEX: usize = FIRST_PARTICLE + PARTICLE.len();
const FIRST_WEIGHT: usize = FIRST_VERTEX + VERTEX.len();

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
    event.chain(particle).chain(vertex).chain(weights).collect()
}

/// Where each event begins, and where the last one ends. Several listings one behind the other, as `cat` makes them, are read as one.
pub(super) fn index(bytes: &[u8]) -> Result<(Header, Vec<usize>), String> {
    let (mut starts, mut end, mut header) = (Vec::new(), 0, Header::default());
    let (mut at, mut listings, mut is_within, mut first) = (0, 0_usize, false, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        if !is_within {
            if text == START {
                (listings, is_within, first) = (listings + 1, true, starts.len());
            } else if text.starts_with(b"HepMC::") && text.ends_with(b"START_EVENT_LISTING") {
                let text = String::from_utf8_lossy(text);
                return Err(format!("`{text}` is another format than HepMC3's ASCII, which cannot be read"));
            } else if listings > 0 && !text.is_empty() && !text.starts_with(b"HepMC::") {
                return Err(format!("something follows the end of the events, at byte {at}"));
            }
        } else if text == END {
            (end, is_within) = (at, false);
        } else if text.starts_with(b"E ") {
            starts.push(at);
        } else if text.starts_with(b"W ") && starts.len() == first {
            let names = std::str::from_utf8(&text[2..]).map_err(|_| "the weights' names are not a text")?;
            let names: Vec<_> = names.split(r"\|").map(|name| name.replace(r"\\", r"\")).collect();
            if listings > 1 && names != header.weights {
                return Err(format!("its weights have other names from event {first} on"));
            }
            header.weights = names;
        } else if text.starts_with(b"W ") && starts.len() == 1 && header.weights.is_empty() {
            let count = text[2..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
            header.weights = (0..count.min(MOST_WEIGHTS)).map(|place| place.to_string()).collect();
        }
        at += line.len();
    }
    if is_within || listings == 0 {
        return Err(format!("it is cut short after {} events", starts.len().saturating_sub(1)));
    }
    if !starts.is_empty() {
        starts.push(end);
    }
    let mut sorted = header.weights.clone();
    sorted.sort();
    sorted.dedup();
    if sorted.len() != header.weights.len() || sorted.len() > MOST_WEIGHTS {
        return Err("two weights have one name".to_owned());
    }
    Ok((header, starts))
}

/// What an event's units are in GeV and mm.
struct Units {
    energy: f64,
    length: f64,
}

impl Units {
    fn parse(text: &str) -> Result<Self, String> {
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
                sheet.parse(0, words.next(), "event's number")?;
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
    ends.iter().for_each(|end| sheet.push(END_VERTEX, *end));
    Ok(())
}

fn weights(header: &Header, text: &str, sheet: &mut Sheet) -> Result<(), String> {
    let mut words = text.split_ascii_whitespace();
    for (place, name) in header.weights.iter().enumerate() {
        sheet.parse(FIRST_WEIGHT + place, words.next(), &format!("weight `{name}`"))?;
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
    sheet.parse(FIRST_PARTICLE, parent, "particle's parent")?;
    for (offset, (name, _, unit, _)) in PARTICLE[..PARTICLE.len() - 1].iter().enumerate().skip(1) {
        if unit.is_empty() {
            sheet.parse(FIRST_PARTICLE + offset, words.next(), name)?;
        } else {
            sheet.scaled(FIRST_PARTICLE + offset, words.next(), units.energy, name)?;
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
    sheet.parse(FIRST_VERTEX, id, "vertex's id")?;
    sheet.parse(FIRST_VERTEX + 1, words.next(), "vertex's status")?;
    let id: i32 = super::number(id, "vertex's id")?;
    for word in incoming.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let particle: usize = super::number(Some(word), "particle that goes into a vertex")?;
        let end = particle.checked_sub(1).and_then(|place| ends.get_mut(place));
        *end.ok_or_else(|| format!("the particle {particle} goes into a vertex before it is there"))? = id;
    }
    let mut words = position.map(str::split_ascii_whitespace);
    for column in FIRST_VERTEX + 2..FIRST_VERTEX + VERTEX.len() {
        match &mut words {
            Some(words) => sheet.scaled(column, words.next(), units.length, "vertex's position")?,
            None => sheet.missing(column),
        }
    }
    sheet.end_item(Level::Vertex)
}

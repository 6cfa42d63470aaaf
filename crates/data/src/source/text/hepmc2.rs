//! HepMC2's ASCII format (`IO_GenEvent`): a vertex with the particles that go out of it, one vertex after the other.

use super::Fault;
use super::hepmc::{Header, PARTICLE, Units, VERTEX, places};
use super::sheet::{Level, Number, Sheet};

pub(super) const START: &[u8] = b"HepMC::IO_GenEvent-START_EVENT_LISTING";
pub(super) const END: &[u8] = b"HepMC::IO_GenEvent-END_EVENT_LISTING";

/// What the line `E` has beside the event's number, as HepMC3 has it in attributes.
pub(super) const EVENT: [(&str, Number, &str); 4] = [
    (
        "scale",
        Number::Float,
        "scale of the hard process in the generator's unit, below 0 where it is not known",
    ),
    ("alpha_qcd", Number::Float, "strong coupling, below 0 where it is not known"),
    ("alpha_qed", Number::Float, "electromagnetic coupling, below 0 where it is not known"),
    ("process", Number::Int, "the generator's number of the process"),
];

/// The weights' names of a line `N`, or their places where an event has no such line.
pub(super) fn weight_names(text: &str) -> Result<Vec<String>, String> {
    let (count, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let count: usize = super::number(Some(count), "number of the weights' names")?;
    let mut names = Vec::new();
    while let Some((_, after)) = rest.split_once('"') {
        let (name, after) = after.split_once('"').ok_or("a weight's name does not end")?;
        names.push(name.to_owned());
        rest = after;
    }
    if names.len() == count {
        Ok(names)
    } else {
        Err(format!("it names {} weights where {count} are promised", names.len()))
    }
}

/// What a line `E` says of the event.
struct Event<'a> {
    vertices: usize,
    weights: Vec<&'a str>,
}

impl<'a> Event<'a> {
    /// `E NUMBER MPI SCALE ALPHA_QCD ALPHA_QED PROCESS VERTEX VERTICES BEAM BEAM N STATE... N WEIGHT...`
    fn parse(text: &'a str, columns: Option<(&Header, &mut Sheet)>) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace();
        let number = words.next();
        words.next();
        let known: Vec<_> = words.by_ref().take(EVENT.len()).collect();
        if let Some((header, sheet)) = columns {
            sheet.parse(places::EVENT, number, "event's number")?;
            for (offset, (name, ..)) in EVENT.iter().enumerate() {
                sheet.parse(header.first_of_event() + offset, known.get(offset).copied(), name)?;
            }
        }
        words.next();
        let vertices = super::number(words.next(), "number of vertices")?;
        let states: usize = super::number(words.nth(2), "number of random states")?;
        let count = match states.checked_sub(1) {
            None => words.next(),
            Some(last) => words.nth(last).and_then(|_| words.next()),
        };
        let count: usize = super::number(count, "number of weights")?;
        let weights: Vec<&str> = words.collect();
        if weights.len() == count {
            Ok(Self { vertices, weights })
        } else {
            Err(format!("it has {} weights where {count} are promised", weights.len()))
        }
    }
}

/// How many weights an event has, by its line `E`.
pub(super) fn count_weights(text: &str) -> Result<usize, String> {
    Event::parse(text, None).map(|event| event.weights.len())
}

/// The vertex whose particles are read.
struct Vertex {
    id: i32,
    /// Particles that come out of nowhere and go into it, then those that it makes: promised and found.
    incoming: [usize; 2],
    outgoing: [usize; 2],
}

impl Vertex {
    /// Fewer particles than promised are a loss; more of them are known to have been written.
    fn end(&self) -> Result<(), String> {
        for (what, [promised, found]) in [("incoming", self.incoming), ("outgoing", self.outgoing)] {
            if found < promised {
                let id = self.id;
                return Err(format!(
                    "the vertex {id} has {found} {what} particles where {promised} are promised"
                ));
            }
        }
        Ok(())
    }
}

/// Reads one event, from its line `E` on.
pub(super) fn event(header: &Header, text: &str, sheet: &mut Sheet) -> Result<(), Fault> {
    let (mut event, mut units, mut names) = (None, None, None);
    let (mut vertex, mut vertices): (Option<Vertex>, usize) = (None, 0);
    for (line, text) in text.lines().enumerate().take_while(|(_, text)| !text.starts_with("HepMC::")) {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let parsed = match kind {
            "E" => Event::parse(rest, Some((header, &mut *sheet))).map(|found| event = Some(found)),
            "N" => weight_names(rest).map(|found| names = Some(found)),
            "U" => Units::parse(rest).map(|found| units = Some(found)),
            "V" => (|| {
                vertex.as_ref().map_or(Ok(()), Vertex::end)?;
                let units = units.as_ref().ok_or("it has no units before its vertices")?;
                vertex = Some(begin(rest, units, sheet)?);
                vertices += 1;
                Ok(())
            })(),
            "P" => (|| {
                let units = units.as_ref().ok_or("it has no units before its particles")?;
                let vertex = vertex.as_mut().ok_or("it has a particle before its first vertex")?;
                particle(rest, units, vertex, sheet)
            })(),
            // Cross section, heavy ions, parton densities.
            "C" | "H" | "F" | "" => Ok(()),
            other => Err(format!("a line cannot begin with `{other}`")),
        };
        parsed.map_err(|reason: String| (line, reason))?;
    }
    let end = (|| {
        vertex.as_ref().map_or(Ok(()), Vertex::end)?;
        let event = event.as_ref().ok_or("it has no line `E`")?;
        if vertices != event.vertices {
            return Err(format!("it has {vertices} vertices where {} are promised", event.vertices));
        }
        weights(header, &event.weights, names.as_deref(), sheet)
    })();
    end.map_err(|reason| (0, reason))
}

/// Events may name their weights in any order; without names they are those of the first event.
fn weights(
    header: &Header,
    words: &[&str],
    names: Option<&[String]>,
    sheet: &mut Sheet,
) -> Result<(), String> {
    let wanted = header.weights();
    if words.len() != wanted.len() || names.is_some_and(|names| names.len() != wanted.len()) {
        return Err(format!("it has {} weights and the first event has {}", words.len(), wanted.len()));
    }
    for (place, name) in wanted.iter().enumerate() {
        // Names nearly always come in one order.
        let is_here = |names: &&[String]| names[place] == *name;
        let found = match names.filter(|names| !is_here(names)) {
            None => Some(place),
            Some(names) => names.iter().position(|other| other == name),
        };
        let word = found.and_then(|place| words.get(place)).copied();
        sheet.parse(header.first_weight() + place, word, &format!("weight `{name}`"))?;
    }
    Ok(())
}

/// `V ID STATUS X Y Z T ORPHANS OUTGOING N WEIGHT...`
fn begin(text: &str, units: &Units, sheet: &mut Sheet) -> Result<Vertex, String> {
    let mut words = text.split_ascii_whitespace();
    let id = words.next();
    sheet.parse(places::VERTEX, id, "vertex's id")?;
    sheet.parse(places::VERTEX + 1, words.next(), "vertex's status")?;
    for column in places::VERTEX + 2..places::VERTEX + VERTEX.len() {
        sheet.scaled(column, words.next(), units.length, "vertex's position")?;
    }
    sheet.end_item(Level::Vertex)?;
    let incoming = super::number(words.next(), "number of incoming particles")?;
    let outgoing = super::number(words.next(), "number of outgoing particles")?;
    let id: i32 = super::number(id, "vertex's id")?;
    if id >= 0 {
        return Err(format!("the vertex's id {id} is not below 0"));
    }
    Ok(Vertex { id, incoming: [incoming, 0], outgoing: [outgoing, 0] })
}

/// `P BARCODE PDG PX PY PZ E MASS STATUS THETA PHI END_VERTEX N FLOW...`; one that goes into the vertex under which it stands comes
/// from nowhere.
fn particle(text: &str, units: &Units, vertex: &mut Vertex, sheet: &mut Sheet) -> Result<(), String> {
    let mut words = text.split_ascii_whitespace();
    let _: i64 = super::number(words.next(), "particle's barcode")?;
    for (offset, (name, _, unit, _)) in PARTICLE[..PARTICLE.len() - 1].iter().enumerate().skip(1) {
        let column = places::PARTICLE + offset;
        if unit.is_empty() {
            sheet.parse(column, words.next(), name)?;
        } else {
            sheet.scaled(column, words.next(), units.energy, name)?;
        }
    }
    let end: i32 = super::number(words.nth(2), "vertex that a particle goes into")?;
    let is_incoming = end == vertex.id;
    let count = if is_incoming { &mut vertex.incoming } else { &mut vertex.outgoing };
    count[1] += 1;
    sheet.push(places::PARTICLE, if is_incoming { 0 } else { vertex.id });
    sheet.push(places::END_VERTEX, end);
    sheet.end_item(Level::Particle)
}

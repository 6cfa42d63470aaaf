//! Les Houches event files, as arXiv:hep-ph/0609017 and, with several weights, arXiv:1405.1067 have them.

use std::collections::{HashMap, HashSet};

use super::Fault;
use super::sheet::{Column, Level, Number, Sheet};

/// What is common to all events.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    /// The ids of the weights beside the nominal one, in the order in which the first event has them.
    weights: Vec<String>,
    /// What their columns are called: the ids, of which a second one of the same kind has its number behind it.
    names: Vec<String>,
}

/// An event may have this many weights.
const MOST_WEIGHTS: usize = 100_000;

const EVENT: [(&str, Number, &str, &str); 5] = [
    ("process", Number::Int, "", "the process's number (IDPRUP)"),
    ("weight", Number::Float, "", "the event's nominal weight (XWGTUP)"),
    ("scale", Number::Float, "GeV", "the scale of the parton distributions (SCALUP)"),
    ("alpha_qed", Number::Float, "", "the electromagnetic coupling (AQEDUP)"),
    ("alpha_qcd", Number::Float, "", "the strong coupling (AQCDUP)"),
];

const PARTICLE: [(&str, Number, &str, &str); 13] = [
    ("particle_id", Number::Int, "", "what the particle is, in the PDG's numbering"),
    ("particle_status", Number::Int, "", "-1 incoming, 1 outgoing, 2 intermediate"),
    ("particle_mother1", Number::Int, "", "the first mother's place in the event, from 1; 0 for none"),
    ("particle_mother2", Number::Int, "", "the last mother's place in the event, from 1; 0 for none"),
    ("particle_color1", Number::Int, "", "the colour line"),
    ("particle_color2", Number::Int, "", "the anticolour line"),
    ("particle_px", Number::Float, "GeV", "x component of the momentum"),
    ("particle_py", Number::Float, "GeV", "y component of the momentum"),
    ("particle_pz", Number::Float, "GeV", "z component of the momentum"),
    ("particle_e", Number::Float, "GeV", "energy"),
    ("particle_mass", Number::Float, "GeV", "mass"),
    ("particle_lifetime", Number::Float, "mm", "invariant lifetime c tau"),
    ("particle_spin", Number::Float, "", "cosine of the angle between spin and momentum; 9 for unknown"),
];

/// Whether a text is one of LHE events. An XML declaration and comments may stand before them.
pub(super) fn is_lhe(start: &[u8]) -> bool {
    let mut rest = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    loop {
        let end: &[u8] = match rest {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            _ => return rest.starts_with(b"<LesHouchesEvents"),
        };
        let Some(at) = rest.windows(end.len()).position(|window| window == end) else { return false };
        rest = rest[at + end.len()..].trim_ascii_start();
    }
}

pub(super) fn columns(header: &Header) -> Vec<Column> {
    let event =
        EVENT.iter().map(|(name, number, unit, text)| Column::new(name, Level::Event, *number, unit, text));
    let particle = PARTICLE
        .iter()
        .map(|(name, number, unit, text)| Column::new(name, Level::Particle, *number, unit, text));
    let weights = header.weights.iter().zip(&header.names).map(|(id, name)| {
        let text = format!("the event's weight `{id}`");
        Column::new(&format!("weight_{name}"), Level::Event, Number::Float, "", &text)
    });
    event.chain(particle).chain(weights).collect()
}

/// Where each event begins, and where the last one ends.
pub(super) fn index(bytes: &[u8]) -> Result<(Header, Vec<usize>), String> {
    let (mut starts, mut end) = (Vec::new(), None);
    let (mut at, mut is_open, mut is_complete) = (0, false, false);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii_start();
        if text.starts_with(b"<event>") || text.starts_with(b"<event ") {
            if is_open {
                return Err(format!("the event {} is not closed", starts.len() - 1));
            }
            starts.push(at);
            is_open = true;
        } else if text.starts_with(b"</event>") {
            if !is_open {
                return Err(format!("an event ends at byte {at} that did not begin"));
            }
            (is_open, end) = (false, Some(at + line.len()));
        } else if text.starts_with(b"</LesHouchesEvents>") {
            is_complete = true;
        }
        at += line.len();
    }
    if is_open || !is_complete {
        return Err(format!("it is cut short after {} events", starts.len() - usize::from(is_open)));
    }
    let first = starts.first().copied().zip(starts.get(1).copied().or(end));
    starts.extend(end);
    let mut header = Header::default();
    if let Some((start, stop)) = first {
        let text =
            std::str::from_utf8(&bytes[start..stop]).map_err(|_| "event 0 is not a text".to_owned())?;
        let names = names(std::str::from_utf8(&bytes[..start]).unwrap_or_default());
        header.weights =
            weights(text, &names).map_err(|(_, reason)| reason)?.into_iter().map(|(id, _)| id).collect();
        header.names = distinct(&header.weights);
    }
    Ok((header, starts))
}

/// The names that columns get of ids, which may stand several times.
fn distinct(ids: &[String]) -> Vec<String> {
    let (mut counts, mut taken) = (HashMap::new(), HashSet::new());
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        let count = counts.entry(id.as_str()).or_insert(0_usize);
        loop {
            *count += 1;
            let name = if *count == 1 { id.clone() } else { format!("{id}_{count}") };
            if taken.insert(name.clone()) {
                names.push(name);
                break;
            }
        }
    }
    names
}

/// The ids that the head of the file gives to weights, in order: those of `<weight id="…">`.
fn names(head: &str) -> Vec<String> {
    let tags = head.split("<weight ").skip(1).take(MOST_WEIGHTS);
    tags.filter_map(|tag| id(tag.split('>').next()?)).collect()
}

/// The value of `id="…"` or `id='…'` among a tag's attributes; `pdfid="…"` is another one.
fn id(tag: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, after) = value[1..].split_once(quote)?;
        if name.trim() == "id" {
            return Some(value.trim().to_owned());
        }
        rest = after;
    }
}

/// The weights of an event beside the nominal one: `<wgt id="…">…</wgt>`, or the list `<weights>`.
fn weights<'a>(text: &'a str, names: &[String]) -> Result<Vec<(String, &'a str)>, Fault> {
    let mut found = Vec::new();
    for part in text.split("<wgt ").skip(1) {
        let fault = || (0, "a weight is not `<wgt id=\"…\">number</wgt>`".to_owned());
        let (tag, rest) = part.split_once('>').ok_or_else(fault)?;
        let (value, _) = rest.split_once("</wgt>").ok_or_else(fault)?;
        found.push((id(tag).ok_or_else(fault)?, value.trim()));
    }
    if let Some((list, _)) = text.split_once("<weights>").and_then(|(_, rest)| rest.split_once("</weights>"))
    {
        let values: Vec<&str> = list.split_ascii_whitespace().collect();
        let is_named = values.len() == names.len();
        for (place, value) in values.into_iter().enumerate() {
            found.push((if is_named { names[place].clone() } else { place.to_string() }, value));
        }
    }
    if found.len() > MOST_WEIGHTS {
        return Err((0, format!("it has more than {MOST_WEIGHTS} weights")));
    }
    Ok(found)
}

/// Reads one event, from `<event>` to `</event>`.
pub(super) fn event(header: &Header, text: &str, sheet: &mut Sheet) -> Result<(), Fault> {
    let is_data = |(_, text): &(usize, &str)| !text.trim().is_empty() && !text.trim_start().starts_with('#');
    let mut lines = text.lines().enumerate().skip(1).filter(is_data);
    let (line, first) = lines.next().ok_or((0, "it is empty".to_owned()))?;
    let at = |line: usize| move |reason: String| (line, reason);
    let mut words = first.split_ascii_whitespace();
    let count: usize = super::number(words.next(), "number of particles").map_err(at(line))?;
    for (column, (name, ..)) in EVENT.iter().enumerate() {
        sheet.parse(column, words.next(), name).map_err(at(line))?;
    }
    for _ in 0..count {
        let (line, text) =
            lines.next().ok_or_else(|| (line, format!("it has fewer than {count} particles")))?;
        let mut words = text.split_ascii_whitespace();
        for (place, (name, ..)) in PARTICLE.iter().enumerate() {
            sheet.parse(EVENT.len() + place, words.next(), name).map_err(at(line))?;
        }
        if let Some(word) = words.next().filter(|word| !word.starts_with('#')) {
            return Err((line, format!("`{word}` follows the {} numbers of a particle", PARTICLE.len())));
        }
        sheet.end_item(Level::Particle).map_err(at(line))?;
    }
    if header.weights.is_empty() {
        return Ok(());
    }
    let first = EVENT.len() + PARTICLE.len();
    let found = weights(text, &header.weights)?;
    if found.len() != header.weights.len() {
        let (has, wants) = (found.len(), header.weights.len());
        return Err((0, format!("it has {has} weights, the first event has {wants}")));
    }
    for (place, (id, value)) in found.iter().enumerate() {
        // In the first event's order in nearly every file.
        let place = if header.weights[place] == *id {
            place
        } else {
            let position = header.weights.iter().position(|name| name == id);
            let is_one = header.names == header.weights;
            position.filter(|_| is_one).ok_or_else(|| {
                (0, format!("the weight `{id}` is not in the first event, or not in this place"))
            })?
        };
        sheet.parse(first + place, Some(value), "weight").map_err(at(0))?;
    }
    Ok(())
}

//! The lists of names that PyTables keeps as pickles. Nothing is executed: what is not a list of texts and numbers has no
//! value here.

/// A label of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Text(String),
    Number(i64),
}

/// The most labels that are taken.
const MOST_LABELS: usize = 1 << 20;

enum Item {
    Mark,
    List(Vec<Label>),
    Label(Label),
}

/// The labels of a pickled list or tuple; none where it holds anything else.
pub(super) fn labels(pickle: &[u8]) -> Option<Vec<Label>> {
    let mut input = pickle;
    let (mut stack, mut memo) = (Vec::new(), Vec::new());
    loop {
        let (code, rest) = input.split_first()?;
        input = rest;
        match code {
            b'.' => {
                return match stack.pop()? {
                    Item::List(labels) => Some(labels),
                    _ => None,
                };
            }
            // The protocol, and the length of a frame.
            0x80 => drop(take(&mut input, 1)?),
            0x95 => drop(take(&mut input, 8)?),
            b'(' => stack.push(Item::Mark),
            b']' | b')' => stack.push(Item::List(Vec::new())),
            b'l' | b't' => {
                let labels = to_mark(&mut stack)?;
                stack.push(Item::List(labels));
            }
            0x85 => {
                let label = label(stack.pop()?)?;
                stack.push(Item::List(vec![label]));
            }
            b'a' => {
                let next = label(stack.pop()?)?;
                push(&mut stack, vec![next])?;
            }
            b'e' => {
                let labels = to_mark(&mut stack)?;
                push(&mut stack, labels)?;
            }
            b'V' => stack.push(Item::Label(Label::Text(raw_unicode(line(&mut input)?)?))),
            b'S' => {
                let text = line(&mut input)?;
                let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
                let inner = inner.or_else(|| text.strip_prefix('"')?.strip_suffix('"'))?;
                // An escape would need its own rules: names have none.
                let plain = (!inner.contains('\\')).then(|| inner.to_owned())?;
                stack.push(Item::Label(Label::Text(plain)));
            }
            b'X' | b'T' => sized(&mut input, 4, &mut stack)?,
            0x8c | b'U' => sized(&mut input, 1, &mut stack)?,
            b'I' | b'L' => {
                let number = line(&mut input)?.trim_end_matches('L').parse().ok()?;
                stack.push(Item::Label(Label::Number(number)));
            }
            b'K' => number(&mut input, 1, &mut stack)?,
            b'M' => number(&mut input, 2, &mut stack)?,
            b'J' => {
                let bytes = take(&mut input, 4)?.try_into().ok()?;
                stack.push(Item::Label(Label::Number(i64::from(i32::from_le_bytes(bytes)))));
            }
            // What is remembered is asked for again only where a label comes twice.
            b'p' => remember(line(&mut input)?.parse().ok()?, &stack, &mut memo)?,
            b'q' => remember(usize::from(take(&mut input, 1)?[0]), &stack, &mut memo)?,
            b'r' => {
                let bytes = take(&mut input, 4)?.try_into().ok()?;
                remember(u32::from_le_bytes(bytes) as usize, &stack, &mut memo)?;
            }
            0x94 => remember(memo.len(), &stack, &mut memo)?,
            b'g' => recall(line(&mut input)?.parse().ok()?, &mut stack, &memo)?,
            b'h' => recall(usize::from(take(&mut input, 1)?[0]), &mut stack, &memo)?,
            _ => return None,
        }
    }
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(count)?;
    *input = rest;
    Some(taken)
}

fn line<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(take(input, end)?).ok()?;
    take(input, 1)?;
    Some(text)
}

/// `V` has Latin-1 with `\uXXXX` for the rest; names beyond ASCII are not taken.
fn raw_unicode(text: &str) -> Option<String> {
    (text.is_ascii() && !text.contains('\\')).then(|| text.to_owned())
}

fn little(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

fn sized(input: &mut &[u8], width: usize, stack: &mut Vec<Item>) -> Option<()> {
    let length = little(take(input, width)?);
    let text = std::str::from_utf8(take(input, length)?).ok()?;
    stack.push(Item::Label(Label::Text(text.to_owned())));
    Some(())
}

fn number(input: &mut &[u8], width: usize, stack: &mut Vec<Item>) -> Option<()> {
    stack.push(Item::Label(Label::Number(i64::try_from(little(take(input, width)?)).ok()?)));
    Some(())
}

fn label(item: Item) -> Option<Label> {
    match item {
        Item::Label(label) => Some(label),
        Item::Mark | Item::List(_) => None,
    }
}

fn to_mark(stack: &mut Vec<Item>) -> Option<Vec<Label>> {
    let mark = stack.iter().rposition(|item| matches!(item, Item::Mark))?;
    let labels = stack.drain(mark + 1..).map(label).collect::<Option<_>>();
    stack.pop();
    labels
}

fn push(stack: &mut [Item], labels: Vec<Label>) -> Option<()> {
    let Some(Item::List(list)) = stack.last_mut() else { return None };
    list.extend(labels);
    (list.len() <= MOST_LABELS).then_some(())
}

fn remember(place: usize, stack: &[Item], memo: &mut Vec<Option<Label>>) -> Option<()> {
    if place > MOST_LABELS {
        return None;
    }
    if memo.len() <= place {
        memo.resize(place + 1, None);
    }
    memo[place] = match stack.last()? {
        Item::Label(label) => Some(label.clone()),
        Item::Mark | Item::List(_) => None,
    };
    Some(())
}

fn recall(place: usize, stack: &mut Vec<Item>, memo: &[Option<Label>]) -> Option<()> {
    stack.push(Item::Label(memo.get(place)?.clone()?));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Label, labels};

    #[test]
    fn lists_of_labels() {
        let check = |pickle: &[u8], expected: Option<&[&str]>| {
            let found = labels(pickle).map(|labels| {
                let text = |label: &Label| match label {
                    Label::Text(text) => text.clone(),
                    Label::Number(number) => format!("#{number}"),
                };
                labels.iter().map(text).collect::<Vec<_>>()
            });
            let expected =
                expected.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(pickle));
        };
        // Python 3 and 2, protocol 0: pickle.dumps(["E_0", "PX_0"], 0), ["a", "a"], [0, 1L].
        check(b"(lp0\nVE_0\np1\naVPX_0\np2\na.", Some(&["E_0", "PX_0"]));
        check(b"(lp0\nS'a'\np1\nag1\na.", Some(&["a", "a"]));
        check(b"(lp0\nI0\naL1L\na.", Some(&["#0", "#1"]));
        // Protocols 2 and 4: ["E_0", 300], ["E_0", "PX_0"].
        check(b"\x80\x02]q\x00(X\x03\x00\x00\x00E_0q\x01M,\x01e.", Some(&["E_0", "#300"]));
        check(
            b"\x80\x04\x95\x12\0\0\0\0\0\0\0]\x94(\x8c\x03E_0\x94\x8c\x04PX_0\x94e.",
            Some(&["E_0", "PX_0"]),
        );
        check(b"(lp0\n.", Some(&[]));
        check(b"N.", None);
        check(b"cos\nsystem\n(S'true'\ntR.", None);
        check(b"(lp0\nVE_0", None);
        check(b"(lp99999999\n.", None);
        check(b"aaaa", None);
    }
}

//! Reads JSON once and keeps nothing but where the outermost fields stand.
//!
//! A reader of its own, because serde's tells no positions: a value that is to be found again must be read as raw text,
//! and once more for the keys inside it. This one is strict: what it takes, serde_json takes too; the tests hold it to
//! that. What it refuses is left to serde_json to explain.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::{Member, Scanned};

/// How deep values may be nested below the outermost object, as with serde_json.
const DEEPEST: usize = 127;
/// Longer numbers may be too large.
const SURELY_FINITE: usize = 300;

/// Why a text is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no JSON object that can be taken.
    Malformed,
    /// A key is there twice.
    Duplicate(String),
}

/// Reads a text.
pub(super) struct Reader<'b> {
    text: &'b str,
    at: usize,
    /// Whether all of it is judged; otherwise only its outermost keys are, and the rest must be well-formed.
    is_deep: bool,
    open: Vec<Open<'b>>,
    /// The keys of all open objects.
    keys: Vec<Cow<'b, str>>,
}

/// An object or an array that has not ended.
struct Open<'b> {
    is_object: bool,
    /// Where its keys begin among those of all.
    keys_from: usize,
    /// Its keys if they are many.
    many: Option<HashSet<Cow<'b, str>>>,
}

impl<'b> Reader<'b> {
    /// So many keys are compared one by one; more are hashed, so that no text takes quadratic time.
    const FEW: usize = 16;

    /// Reads `text`. A deep reading refuses duplicate keys, numbers too large and broken surrogates at any depth.
    pub(super) fn new(text: &'b str, is_deep: bool) -> Self {
        Self { text, at: 0, is_deep, open: Vec::with_capacity(8), keys: Vec::with_capacity(24) }
    }

    /// Reads all of it.
    pub(super) fn read(mut self) -> Result<Scanned, Fault> {
        self.expect(b'{')?;
        let opening = self.at;
        self.opens(true);
        let mut members = Vec::with_capacity(16);
        let mut is_over = self.takes(b'}');
        while !is_over {
            let name = self.name()?;
            let key = unescape(&self.text[name.clone()])?;
            self.note(key.clone())?;
            self.white();
            let start = self.at;
            self.value()?;
            let said = if let Cow::Owned(said) = key { Some(said) } else { None };
            members.push(Member { name, said, value: start..self.at });
            is_over = self.takes(b'}');
            if !is_over {
                self.expect(b',')?;
            }
        }
        self.white();
        let is_all = self.at == self.text.len();
        if is_all { Ok(Scanned { members, opening, length: self.at }) } else { Err(Fault::Malformed) }
    }

    /// Passes over a value of any depth, without recursion. What passes over a part of it says whether that is still open.
    fn value(&mut self) -> Result<(), Fault> {
        let outside = self.open.len();
        loop {
            self.white();
            let is_open = match self.peek() {
                b'{' => self.opens_with(b'}')?,
                b'[' => self.opens_with(b']')?,
                b'"' => self.string()?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ => self.number()?,
            };
            if !is_open && self.ends(outside)? {
                return Ok(());
            }
            if self.open.last().is_some_and(|open| open.is_object) {
                let name = self.name()?;
                if self.is_deep {
                    self.note(unescape(&self.text[name])?)?;
                }
            }
        }
    }

    /// A value has ended, and with it all that ends here. Whether nothing is open any more beyond `outside`.
    fn ends(&mut self, outside: usize) -> Result<bool, Fault> {
        while self.open.len() > outside
            && let Some(open) = self.open.last()
        {
            let (end, keys_from) = (if open.is_object { b'}' } else { b']' }, open.keys_from);
            if !self.takes(end) {
                self.expect(b',')?;
                return Ok(false);
            }
            self.keys.truncate(keys_from);
            self.open.pop();
        }
        Ok(true)
    }

    /// An object or array begins; whether there is something in it.
    fn opens_with(&mut self, end: u8) -> Result<bool, Fault> {
        if self.is_deep && self.open.len() > DEEPEST {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        if self.takes(end) {
            return Ok(false);
        }
        self.opens(end == b'}');
        Ok(true)
    }

    fn opens(&mut self, is_object: bool) {
        self.open.push(Open { is_object, keys_from: self.keys.len(), many: None });
    }

    /// Where a key stands with its quotes. Passes over the colon, too.
    fn name(&mut self) -> Result<Range<usize>, Fault> {
        self.white();
        let start = self.at;
        self.string()?;
        let name = start..self.at;
        self.expect(b':')?;
        Ok(name)
    }

    /// Notes a key of the object that was opened last.
    fn note(&mut self, key: Cow<'b, str>) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let few = &self.keys[open.keys_from..];
        let is_known = match &mut open.many {
            Some(many) => !many.insert(key.clone()),
            None if few.len() < Self::FEW => few.contains(&key),
            None => {
                let many = open.many.insert(few.iter().cloned().collect());
                !many.insert(key.clone())
            }
        };
        if is_known {
            return Err(Fault::Duplicate(key.into_owned()));
        }
        if open.many.is_none() {
            self.keys.push(key);
        }
        Ok(())
    }

    fn string(&mut self) -> Result<bool, Fault> {
        self.expect(b'"')?;
        loop {
            self.at += ordinary(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(false);
                }
                b'\\' => self.escape()?,
                _ => return Err(Fault::Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let kind = self.peek();
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                _ if !self.is_deep => Ok(()),
                0xdc00..=0xdfff => Err(Fault::Malformed),
                0xd800..=0xdbff => self.low_surrogate(),
                _ => Ok(()),
            },
            _ => Err(Fault::Malformed),
        }
    }

    fn low_surrogate(&mut self) -> Result<(), Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Err(Fault::Malformed);
        }
        self.at += 2;
        if matches!(self.hex()?, 0xdc00..=0xdfff) { Ok(()) } else { Err(Fault::Malformed) }
    }

    /// Four hex digits.
    fn hex(&mut self) -> Result<u32, Fault> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(Fault::Malformed)?;
        self.at += 4;
        digits.iter().try_fold(0, |value, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(Fault::Malformed)?;
            Ok(value * 16 + digit)
        })
    }

    fn number(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        self.takes_one_of(b"-");
        let leads_with_zero = self.peek() == b'0';
        let whole = self.digits()?;
        if leads_with_zero && whole > 1 {
            return Err(Fault::Malformed);
        }
        if self.takes_one_of(b".") {
            self.digits()?;
        }
        let has_exponent = self.takes_one_of(b"eE");
        if has_exponent {
            self.takes_one_of(b"+-");
            self.digits()?;
        }
        let written = &self.text[start..self.at];
        let may_be_too_large = self.is_deep && (has_exponent || written.len() > SURELY_FINITE);
        if may_be_too_large && !written.parse().is_ok_and(f64::is_finite) {
            return Err(Fault::Malformed);
        }
        Ok(false)
    }

    /// At least one digit; how many there are.
    fn digits(&mut self) -> Result<usize, Fault> {
        let digits = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits > 0 { Ok(digits) } else { Err(Fault::Malformed) }
    }

    fn literal(&mut self, word: &str) -> Result<bool, Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Fault::Malformed);
        }
        self.at += word.len();
        Ok(false)
    }

    /// The next byte; 0, which stands nowhere in JSON, at the end.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn white(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.takes(byte) { Ok(()) } else { Err(Fault::Malformed) }
    }

    /// Passes over white space, and over `byte` if it comes then.
    fn takes(&mut self, byte: u8) -> bool {
        self.white();
        let is_there = self.peek() == byte;
        self.at += usize::from(is_there);
        is_there
    }

    fn takes_one_of(&mut self, bytes: &[u8]) -> bool {
        let is_there = bytes.contains(&self.peek());
        self.at += usize::from(is_there);
        is_there
    }
}

/// What a string with its quotes says.
fn unescape(written: &str) -> Result<Cow<'_, str>, Fault> {
    let inner = &written[1..written.len() - 1];
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str(written).map(Cow::Owned).map_err(|_| Fault::Malformed);
    }
    Ok(Cow::Borrowed(inner))
}

/// How many bytes of a string stand for themselves. Eight are looked at together, as most of a prompt is such bytes.
fn ordinary(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_ordinary = |byte: &&u8| **byte >= 0x20 && !matches!(**byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().take_while(is_ordinary).count()
}

/// The highest bit of each byte that is a quote, a backslash or a control character. A subtraction borrows from the byte
/// above, so only the lowest is certain. Source: "Bit Twiddling Hacks", determine if a word has a byte less than n.
fn special(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let less = |word: u64, than: u8| word.wrapping_sub(EACH * u64::from(than)) & !word;
    let equal = |byte: u8| less(word ^ (EACH * u64::from(byte)), 1);
    (less(word, 0x20) | equal(b'"') | equal(b'\\')) & (EACH * 0x80)
}

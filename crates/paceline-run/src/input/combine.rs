//! Putting the records of several sources together.

use super::source::{Joined, OpenSource, Pulled};
use super::{InputError, Source};

/// Lists of arguments, one record of each source in each.
pub(super) struct Combinations {
    /// The sources that vary slowest, one record of each at a time.
    first: Linked,
    /// The other groups of linked sources, held in memory, since each is gone through many times.
    others: Vec<Vec<Vec<u8>>>,
    /// Which list of each of the others comes next.
    odometer: Vec<usize>,
    /// The present list of the first group; `None` when a new one is due.
    present: Option<Vec<u8>>,
}

enum Linked {
    /// A single source is never held in memory.
    Streamed(OpenSource),
    Held(std::vec::IntoIter<Vec<u8>>),
}

impl Combinations {
    /// `sources` and their opened forms, in order. With `link`, all are one group whose shorter
    /// sources begin again.
    pub(super) fn new(
        sources: &[Source],
        opened: Vec<OpenSource>,
        link: bool,
    ) -> Result<Self, InputError> {
        let mut groups: Vec<Vec<OpenSource>> = Vec::new();
        for (index, (source, open)) in sources.iter().zip(opened).enumerate() {
            match groups.last_mut() {
                Some(group) if index > 0 && (link || source.joined == Joined::Linked) => {
                    group.push(open)
                }
                _ => groups.push(vec![open]),
            }
        }
        let mut groups = groups.into_iter();
        let first = match groups.next() {
            None => Linked::Held(Vec::new().into_iter()),
            Some(mut group) if group.len() == 1 => match group.pop() {
                Some(only) => Linked::Streamed(only),
                None => Linked::Held(Vec::new().into_iter()),
            },
            Some(group) => Linked::Held(zipped(group, link)?.into_iter()),
        };
        let others = groups
            .map(|group| zipped(group, link))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            first,
            odometer: vec![0; others.len()],
            others,
            present: None,
        })
    }

    /// How many lists each list of the first group is combined into, if that can be counted.
    pub(super) fn per_first(&self) -> Option<u64> {
        self.others.iter().try_fold(1_u64, |product, group| {
            product.checked_mul(group.len() as u64)
        })
    }

    /// The lists of the first group, where it is held in memory.
    pub(super) fn held(&self) -> Option<u64> {
        match &self.first {
            Linked::Held(lists) => Some(lists.len() as u64),
            Linked::Streamed(_) => None,
        }
    }

    /// Appends the next list to `list`, its arguments joined by NUL bytes.
    pub(super) fn pull(&mut self, list: &mut Vec<u8>) -> Result<Pulled, InputError> {
        if self.others.iter().any(Vec::is_empty) {
            return Ok(Pulled::End);
        }
        if self.others.is_empty() {
            return match &mut self.first {
                Linked::Streamed(source) => source.pull(list),
                Linked::Held(lists) => Ok(match lists.next() {
                    Some(next) => {
                        list.extend_from_slice(&next);
                        Pulled::Record
                    }
                    None => Pulled::End,
                }),
            };
        }
        if self.present.is_none() {
            let mut next = Vec::new();
            let pulled = match &mut self.first {
                Linked::Streamed(source) => source.pull(&mut next)?,
                Linked::Held(lists) => match lists.next() {
                    Some(held) => {
                        next = held;
                        Pulled::Record
                    }
                    None => Pulled::End,
                },
            };
            match pulled {
                Pulled::Record => self.present = Some(next),
                other => return Ok(other),
            }
        }
        list.extend_from_slice(self.present.as_deref().unwrap_or_default());
        for (group, position) in self.others.iter().zip(&self.odometer) {
            list.push(0);
            list.extend_from_slice(&group[*position]);
        }
        self.turn();
        Ok(Pulled::Record)
    }

    pub(super) fn wait(&mut self) -> Result<(), InputError> {
        match &mut self.first {
            Linked::Streamed(source) => source.wait(),
            Linked::Held(_) => Ok(()),
        }
    }

    /// The last group varies fastest.
    fn turn(&mut self) {
        for (group, position) in self.others.iter().zip(&mut self.odometer).rev() {
            *position += 1;
            if *position < group.len() {
                return;
            }
            *position = 0;
        }
        self.present = None;
    }
}

/// The first records of all sources, the second ones, and so on.
fn zipped(mut group: Vec<OpenSource>, recycle: bool) -> Result<Vec<Vec<u8>>, InputError> {
    let mut columns = Vec::with_capacity(group.len());
    for source in &mut group {
        let mut records = Vec::new();
        while let Some(record) = source.next()? {
            records.push(record);
        }
        columns.push(records);
    }
    let lengths = columns.iter().map(Vec::len);
    let rows = if recycle {
        if columns.iter().any(Vec::is_empty) {
            0
        } else {
            lengths.max().unwrap_or(0)
        }
    } else {
        lengths.min().unwrap_or(0)
    };
    Ok((0..rows)
        .map(|row| {
            let records: Vec<&[u8]> = columns
                .iter()
                .map(|column| column[row % column.len()].as_slice())
                .collect();
            records.join(&0)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn all(sources: &[(&[&str], Joined)], link: bool) -> Vec<String> {
        let sources: Vec<Source> = sources
            .iter()
            .map(|(words, joined)| Source {
                origin: Origin::Words(words.iter().map(|w| w.as_bytes().to_vec()).collect()),
                joined: *joined,
            })
            .collect();
        let opened = sources
            .iter()
            .map(|s| OpenSource::open(&s.origin, b"\n").expect("opens"))
            .collect();
        let mut combinations = Combinations::new(&sources, opened, link).expect("combines");
        let mut lists = Vec::new();
        let mut list = Vec::new();
        while let Pulled::Record = combinations.pull(&mut list).expect("pulls") {
            lists.push(
                String::from_utf8(std::mem::take(&mut list))
                    .expect("text")
                    .replace('\0', ","),
            );
        }
        lists
    }

    #[test]
    fn product_varies_the_last_fastest() {
        use Joined::{Linked, Product};
        assert_eq!(
            all(&[(&["a", "b"], Product), (&["1", "2"], Product)], false),
            ["a,1", "a,2", "b,1", "b,2"]
        );
        assert_eq!(
            all(
                &[
                    (&["a", "b", "c"], Product),
                    (&["1", "2"], Linked),
                    (&["x", "y"], Product)
                ],
                false
            ),
            ["a,1,x", "a,1,y", "b,2,x", "b,2,y"]
        );
        assert!(all(&[(&["a"], Product), (&[], Product)], false).is_empty());
    }

    #[test]
    fn link_begins_the_shorter_again() {
        use Joined::Product;
        assert_eq!(
            all(&[(&["a", "b", "c"], Product), (&["1", "2"], Product)], true),
            ["a,1", "b,2", "c,1"]
        );
    }
}

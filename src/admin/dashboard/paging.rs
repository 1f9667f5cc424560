//! [`Paging`]: the place of a page in a list, and the links to its neighbours.

use serde::Serialize;

/// The pages of a list, as a page shows them.
#[derive(Debug, Serialize)]
pub(super) struct Paging {
    /// The page and the number of pages, if there are several.
    words: Option<String>,
    /// The addresses of the page before and of the next page.
    previous: Option<String>,
    next: Option<String>,
    #[serde(skip)]
    page: usize,
    #[serde(skip)]
    pages: usize,
    #[serde(skip)]
    size: usize,
}

impl Paging {
    /// Returns the page of a list nearest to the one that was asked for, from 1. `address` returns the address of a page.
    pub(super) fn of(items: usize, size: usize, asked: usize, address: impl Fn(usize) -> String) -> Self {
        let pages = items.div_ceil(size).max(1);
        let page = asked.clamp(1, pages);
        Self {
            words: (pages > 1).then(|| format!("page {page} of {pages}")),
            previous: (page > 1).then(|| address(page - 1)),
            next: (page < pages).then(|| address(page + 1)),
            page,
            pages,
            size,
        }
    }

    /// Returns the number of the page.
    pub(super) fn page(&self) -> usize {
        self.page
    }

    /// Returns the items of a list that are on this page. The list may be shorter than the one that the pages are for.
    pub(super) fn items<'l, T>(&self, list: &'l [T]) -> &'l [T] {
        let first = ((self.page - 1) * self.size).min(list.len());
        &list[first..(first + self.size).min(list.len())]
    }

    /// Returns which items are shown, before the count of all: `61–120 of `; nothing if there is only one page.
    pub(super) fn range(&self, items: usize) -> String {
        match self.pages {
            1 => String::new(),
            _ => {
                let first = (self.page - 1) * self.size + 1;
                format!("{first}–{} of ", (self.page * self.size).min(items))
            }
        }
    }
}

/// Something to choose in a list of filters.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    value: &'static str,
    words: &'static str,
    selected: bool,
}

/// Returns the choices of a filter, each a value and its words.
pub(super) fn choices(all: &[(&'static str, &'static str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, words): &(&'static str, &'static str)| Choice {
        value,
        words,
        selected: *value == chosen,
    };
    all.iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        let numbers: Vec<usize> = (0..130).collect();
        for (items, asked, page, words, first, last) in [
            (130, 1, 1, Some("page 1 of 3"), Some(0), Some(59)),
            (130, 3, 3, Some("page 3 of 3"), Some(120), Some(129)),
            (130, 99, 3, Some("page 3 of 3"), Some(120), Some(129)),
            (130, 0, 1, Some("page 1 of 3"), Some(0), Some(59)),
            (60, 2, 1, None, Some(0), Some(59)),
            (0, 1, 1, None, None, None),
        ] {
            let paging = Paging::of(items, 60, asked, |page| format!("?page={page}"));
            let shown = paging.items(&numbers[..items]);
            assert_eq!(
                (paging.page(), paging.words.as_deref()),
                (page, words),
                "{items} {asked}"
            );
            assert_eq!(
                (shown.first().copied(), shown.last().copied()),
                (first, last),
                "{items} {asked}"
            );
        }
        let paging = Paging::of(130, 60, 2, |page| format!("?page={page}"));
        assert_eq!(paging.previous.as_deref(), Some("?page=1"));
        assert_eq!(paging.next.as_deref(), Some("?page=3"));
        assert_eq!(paging.range(130), "61–120 of ");
        assert_eq!(
            paging.items(&numbers[..10]),
            &[] as &[usize],
            "a shorter list ends earlier"
        );
    }
}

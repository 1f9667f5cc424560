//! Lists of the dashboard: filters, pages, groups, and names that do not exist.

use crate::admin::Served;

#[test]
fn long_lists_have_pages_and_filters() {
    let texts: Vec<_> = (0..130)
        .map(|number| (format!("page{number:03}.html"), "text".to_owned()))
        .collect();
    let texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let served = Served::start(&texts);
    served.edit("page077.html", "{{ if x }}");
    for (path, parts, absent) in [
        (
            "templates",
            &["1–60 of 130 templates", "page 1 of 3", "page=2", "page077.html"][..],
            "Previous",
        ),
        (
            "templates?page=3",
            &["121–130 of 130 templates", "page=2", "page129.html"],
            "Next",
        ),
        (
            "templates?page=99&q=PAGE",
            &["121–130 of 130 matches", "page=2&amp;q=PAGE", "q=PAGE&amp;page=3"],
            "Next",
        ),
        (
            "templates?state=stale",
            &["1 match", "page077.html", "last good</span>"],
            "page001.html",
        ),
        ("templates?state=nonsense", &["0 matches"], "page001.html"),
        (
            "templates?kind=page&q=page00",
            &["10 matches", "page009.html"],
            "page010.html",
        ),
        ("templates?kind=partial", &["0 matches"], "page001.html"),
        ("versions", &["2 versions", "v2", "v1"], "Next"),
        ("versions?q=PAGE077", &["2 versions"], "Next"),
        ("versions?q=nobody", &["0 versions"], "v1"),
        ("versions?state=errors", &["1 version<", "v2"], "v1"),
        ("versions?kind=rollback", &["0 versions"], "v1"),
    ] {
        let answer = served.get(&format!("/_hotplate/{path}"));
        for part in parts {
            assert!(answer.body.contains(part), "{path}: no `{part}` in {}", answer.body);
        }
        assert!(
            !answer.body.contains(&format!(">{absent}<")),
            "{path}: {absent} in {}",
            answer.body
        );
    }
}

/// Many failures at once are one change for a dashboard, so it does not fall behind and connect again.

#[test]
fn differences_are_grouped_and_have_pages() {
    let mut texts: Vec<(String, String)> = (0..150)
        .map(|number| {
            (
                format!("page{number:03}.html"),
                "{{ call part.html with x }}".to_owned(),
            )
        })
        .collect();
    texts.push(("part.html".to_owned(), "part".to_owned()));
    texts.extend((0..45).map(|number| (format!("text{number:02}.txt"), "one".to_owned())));
    let texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let served = Served::start(&texts);
    served.edit("part.html", "{{ if x }}");
    served.edit_all((0..45).map(|number| (format!("text{number:02}.txt"), format!("two {number}"))));
    let get = |path: &str| served.get(&format!("/_hotplate/{path}")).body;
    // A break of one partial is one group with its cause, and not a list of every page.
    let broken = get("versions/2");
    for part in [
        "151 templates have the same text and another status",
        "151 templates: current → serving last good",
        "because of new errors in <a href=\"/_hotplate/templates?at=part.html\">part.html</a>",
        "1–60 of 151",
        "page 1 of 3",
        "/_hotplate/versions/2?with=1&amp;page=2",
    ] {
        assert!(broken.contains(part), "no `{part}` in {broken}");
    }
    assert!(
        broken.contains(">page059.html<") && !broken.contains(">page060.html<"),
        "{broken}"
    );
    let last = get("versions/2?with=1&page=3");
    assert!(
        last.contains("121–151 of 151") && last.contains(">page149.html<"),
        "{last}"
    );
    assert!(!last.contains(">Next<") && !last.contains(">page100.html<"), "{last}");
    // Texts are shown with their lines, twenty on a page; both kinds share the pages.
    let texts = get("versions/3?with=2");
    assert!(
        texts.contains("45 texts differ") && texts.contains("page 1 of 3"),
        "{texts}"
    );
    assert!(texts.contains("+two 19\n") && !texts.contains("+two 20\n"), "{texts}");
    let both = get("versions/3?with=1&page=3");
    assert!(
        both.contains("45 texts differ; 151 templates") && both.contains("+two 44\n"),
        "{both}"
    );
    // A version that is not kept is not compared silently with another one.
    let other = get("versions/3?with=77");
    assert!(other.contains("Version 77 is not kept"), "{other}");
}

#[test]
fn an_unknown_template_or_version_says_so() {
    let served = Served::start(&[("a.html", "{{ call nobody.html with x }}"), ("b.html", "b")]);
    for (path, parts) in [
        (
            "templates?at=nowhere.html",
            &["There is no template <code>nowhere.html</code>"][..],
        ),
        (
            "templates?at=nobody.html",
            &[
                "There is no template <code>nobody.html</code>",
                "Called by 1",
                ">a.html</a>",
            ],
        ),
        ("templates?at=%3Cb%3E", &["There is no template <code>&lt;b&gt;</code>"]),
        ("versions/99", &["Version 99 is not known or no longer kept"]),
        ("versions/x", &["Version x is not known"]),
    ] {
        let answer = served.get(&format!("/_hotplate/{path}"));
        assert_eq!(answer.status, 404, "{path}");
        for part in parts {
            assert!(answer.body.contains(part), "{path}: no `{part}` in {}", answer.body);
        }
    }
    assert_eq!(served.get("/_hotplate/templates?at=b.html").status, 200);
}

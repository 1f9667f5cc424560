//! The data of the benchmarks: three contexts as plain structs.

use serde::Serialize;

/// A context and its template.
#[expect(clippy::large_enum_variant, reason = "there are three of them")]
pub enum Workload {
    /// A short list, as in many benchmarks of template engines.
    Teams(Teams),
    /// A table of 100 by 100 numbers: only loops and short values.
    Table(Table),
    /// A page of a shop: layout partials and 50 rows by calls, with text that needs escaping.
    Page(Page),
}

impl Workload {
    /// All workloads.
    pub fn all() -> [Self; 3] {
        [Self::Teams(teams()), Self::Table(table()), Self::Page(page(50))]
    }

    /// Returns the name of the template, without extension.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Teams(_) => "teams",
            Self::Table(_) => "table",
            Self::Page(_) => "page",
        }
    }
}

#[derive(Serialize)]
pub struct Teams {
    pub year: u16,
    pub teams: Vec<Team>,
}

#[derive(Serialize)]
pub struct Team {
    pub name: String,
    pub score: u8,
}

fn teams() -> Teams {
    let teams = [("Jiangsu", 43), ("Beijing", 27), ("Guangzhou", 22), ("Shandong", 12)];
    Teams {
        year: 2015,
        teams: teams
            .map(|(name, score)| Team {
                name: name.into(),
                score,
            })
            .into(),
    }
}

#[derive(Serialize)]
pub struct Table {
    pub rows: Vec<Vec<u32>>,
}

fn table() -> Table {
    Table {
        rows: (0..100).map(|_| (0..100).collect()).collect(),
    }
}

#[derive(Serialize)]
pub struct Page {
    pub language: String,
    pub head: Head,
    pub header: Header,
    pub nav: Nav,
    pub title: String,
    pub intro: String,
    pub products: Vec<Product>,
    pub footer: Footer,
}

#[derive(Serialize)]
pub struct Head {
    pub title: String,
    pub shop: String,
    pub description: String,
}

#[derive(Serialize)]
pub struct Header {
    pub shop: String,
    pub user: Option<User>,
}

#[derive(Serialize)]
pub struct User {
    pub name: String,
    pub url: String,
    pub basket: u32,
}

#[derive(Serialize)]
pub struct Nav {
    pub links: Vec<Link>,
}

#[derive(Serialize)]
pub struct Link {
    pub label: String,
    pub url: String,
    pub is_current: bool,
}

#[derive(Serialize)]
pub struct Product {
    pub id: u32,
    pub name: String,
    pub url: String,
    pub price: f64,
    pub was: Option<f64>,
    pub stock: u32,
    pub is_new: bool,
    pub tags: Vec<String>,
    pub about: String,
}

#[derive(Serialize)]
pub struct Footer {
    pub name: String,
    pub street: String,
    pub city: String,
    pub mail: String,
}

/// Creates a page with a number of products.
pub fn page(products: u32) -> Page {
    let title = "Kitchen & Table".to_owned();
    let shop = "Pots & Pans".to_owned();
    let link = |label: &str, url: &str| Link {
        label: label.into(),
        url: url.into(),
        is_current: *label == title,
    };
    Page {
        language: "en".into(),
        head: Head {
            title: title.clone(),
            shop: shop.clone(),
            description: "Pots, pans, knives & \"everything else\" for cooks".into(),
        },
        header: Header {
            shop: shop.clone(),
            user: Some(User {
                name: "Ann O'Neil".into(),
                url: "/account/4711?from=shop&sort=name".into(),
                basket: 3,
            }),
        },
        nav: Nav {
            links: vec![
                link("New", "/new"),
                link("Kitchen & Table", "/kitchen"),
                link("Garden", "/garden"),
                link("Books", "/books"),
                link("Tools", "/tools"),
                link("Sale", "/sale?all=1&sort=price"),
            ],
        },
        title: title.clone(),
        intro: "What we use ourselves, every day. Free delivery for orders > 50 €, and it's back in 30 days if it isn't right."
            .into(),
        products: (0..products).map(product).collect(),
        footer: Footer {
            name: shop,
            street: "12 Saint James's Street".into(),
            city: "Göteborg".into(),
            mail: "hello@pots-and-pans.example".into(),
        },
    }
}

fn product(number: u32) -> Product {
    let cents = |number: u32| f64::from(number * 100 + 95) / 100.0;
    Product {
        id: 1000 + number,
        name: format!("Saucepan <no. {number}> & lid"),
        url: format!("/products/{}?from=kitchen&row={number}", 1000 + number),
        price: cents(19 + number),
        was: (number.is_multiple_of(5)).then(|| cents(29 + number)),
        stock: number * 7 % 23,
        is_new: number.is_multiple_of(7),
        tags: ["steel", "induction", "dishwasher safe"][..1 + number as usize % 3]
            .iter()
            .map(|tag| (*tag).into())
            .collect(),
        about:
            "A heavy base that keeps the heat, a handle that doesn't, and a lid that fits. Made to be used for decades."
                .into(),
    }
}

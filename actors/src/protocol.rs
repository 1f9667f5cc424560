//! The protocol: the messages between the actors, in the order of the flow ([`messages`]), and the data that travels with them.
//!
//! It is the ground floor of the actors: it names none of them, nor what they are made of, and it holds no lock and no counter. So an
//! actor is understood from its own file and this one, and each can be replaced without the others.

pub mod messages;
pub mod load;
pub mod batch;
pub mod plan;
pub mod report;
pub mod render;
pub mod reload;

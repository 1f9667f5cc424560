//! The protocol: the messages between the actors, in the order of the pipeline ([`messages`]), and the data that travels with them.
//!
//! All actors import this module and none of each other. It names no actor and holds no lock and no counter. So an actor can be understood
//! from its own file and this one, and can be replaced without the others.

pub mod messages;
pub mod kept;
pub mod load;
pub mod batch;
pub mod plan;
pub mod hold;
pub mod report;
pub mod render;
pub mod reload;
pub mod stage;
pub mod preview;

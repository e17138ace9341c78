//! What is seen while code runs, and what is made of it for later boots.

mod learn;
pub(super) mod site;

//! A guest cannot hurt the host, and has nothing it was not granted. One test for each way to try, with a real component that tries it.
//!
//! Every test ends the same way: on the same runtime a well-behaved channel still answers, and no slot of the pool is lost.

mod hostile_guests {
    pub(crate) mod house;

    mod challenges;
    mod faults;
    mod limits;
    mod network;
    mod slots;
    mod surroundings;
}

//! Who uses a key: its networks and agents, and which of them are new.

//! Rules as they are read from files: what is taken, and where what is wrong is shown.

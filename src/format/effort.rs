//! How many bytes were looked at for a line. Counted in tests alone, where it shows without a clock that reading costs
//! linear time; nothing is left of it in the program.

#[cfg(test)]
thread_local! {
    static BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Notes that so many bytes were looked at.
#[cfg(test)]
pub(super) fn spend(bytes: usize) {
    BYTES.with(|sum| sum.set(sum.get() + bytes));
}

/// Notes nothing.
#[cfg(not(test))]
#[inline]
pub(super) fn spend(_: usize) {}

/// How many bytes a piece of work looks at.
#[cfg(test)]
pub(super) fn of(work: impl FnOnce()) -> usize {
    BYTES.with(|sum| sum.set(0));
    work();
    BYTES.with(std::cell::Cell::get)
}

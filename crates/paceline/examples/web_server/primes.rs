//! Counting primes in blocks, by sieving each with the primes up to the root.

use std::ops::Range;

/// Numbers per block: small enough for a cache, large enough to be worth handing out.
const BLOCK: u64 = 1 << 15;

/// The numbers up to and including `n`, in blocks.
pub(crate) fn blocks(n: u64) -> impl Iterator<Item = Range<u64>> + Send + 'static {
    let end = n + 1;
    (0..end.div_ceil(BLOCK)).map(move |block| block * BLOCK..((block + 1) * BLOCK).min(end))
}

/// The primes whose multiples are struck out.
pub(crate) fn up_to_root(n: u64) -> Vec<u64> {
    let root = n.isqrt();
    (2..=root)
        .filter(|&candidate| (2..=candidate.isqrt()).all(|divisor| candidate % divisor != 0))
        .collect()
}

/// How many primes there are in a block.
pub(crate) fn count(block: Range<u64>, small: &[u64]) -> u64 {
    let mut prime = vec![true; (block.end - block.start) as usize];
    for number in block.start..block.end.min(2) {
        prime[(number - block.start) as usize] = false;
    }
    for &divisor in small {
        if divisor * divisor >= block.end {
            break;
        }
        let first = (divisor * divisor).max(block.start.next_multiple_of(divisor));
        for multiple in (first..block.end).step_by(divisor as usize) {
            prime[(multiple - block.start) as usize] = false;
        }
    }
    prime.into_iter().filter(|&prime| prime).count() as u64
}

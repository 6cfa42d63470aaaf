//! Products of packed matrices by AMX's tiles.

use std::arch::asm;
use std::arch::x86_64::{
    _mm512_add_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps,
    _mm512_set1_ps, _mm512_setzero_ps,
};

use super::pack;
use crate::fused::kernel::{Matrix, scratch};

/// Rows of a tile, and its columns of single-precision numbers.
pub(super) const SIDE: usize = 16;
/// Terms of a sum that one tile holds.
const DEPTH: usize = 32;
/// Rows and columns of the output that are worked on at once: two tiles by two.
const BLOCK: usize = 2 * SIDE;

/// Asks the system for the tiles' state, which it does not save for processes that have not asked.
pub(super) fn permitted() -> bool {
    // Leaf 7: bits 22 and 24 of EDX are AMX's bf16 and its tiles.
    let bits = 1 << 22 | 1 << 24;
    let leaves = std::arch::x86_64::__cpuid(0).eax;
    if !std::arch::is_x86_feature_detected!("avx512bf16") || !std::arch::is_x86_feature_detected!("avx512bw")
    {
        return false;
    }
    if leaves < 7 || std::arch::x86_64::__cpuid_count(7, 0).edx & bits != bits {
        return false;
    }
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let result: i64;
    // SAFETY: a system call that takes two numbers, and which an old system refuses.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// The shapes of the tiles: eight of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = SIDE as u8;
        tile += 1;
    }
    Configuration(bytes)
};

/// Where a product goes, and how.
pub(super) struct Target {
    pub(super) c: *mut f32,
    pub(super) stride: usize,
    pub(super) add: bool,
    pub(super) scale: f32,
}

/// # Safety
/// As [`super::product`], where tiles are available.
pub(super) unsafe fn product(a: Matrix<'_>, b: Matrix<'_>, target: &Target) {
    let depth = a.columns.next_multiple_of(DEPTH);
    let (rows, columns) = (a.rows.next_multiple_of(BLOCK), b.columns.next_multiple_of(BLOCK));
    // Pairs of bf16 are kept as words of 32 bits.
    let pairs = depth / 2;
    words((rows + columns) * pairs, |words| {
        let (rows, panels) = words.split_at_mut(rows * pairs);
        // SAFETY: a processor whose tiles are permitted has these vectors; both were asked for.
        unsafe {
            pack::panels(b, pairs, panels);
            pack::rows(a, pairs, rows);
        }
        // SAFETY: the configuration is valid, and the tiles are released below.
        unsafe { asm!("ldtilecfg [{0}]", in(reg) &raw const CONFIGURATION.0, options(nostack, readonly)) };
        for (row, rows) in rows.chunks_exact(BLOCK * pairs).enumerate() {
            for (column, panels) in panels.chunks_exact(BLOCK * pairs).enumerate() {
                let place = [row * BLOCK, column * BLOCK];
                let size = [BLOCK.min(a.rows - place[0]), BLOCK.min(b.columns - place[1])];
                // SAFETY: the block's rows and columns lie in the target; the caller answers for that.
                unsafe { block(rows, panels, pairs, target, place, size) };
            }
        }
        // SAFETY: nothing is kept in the tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    });
}

/// Scratch memory as words, aligned to lines of the cache.
fn words<R>(length: usize, work: impl FnOnce(&mut [u32]) -> R) -> R {
    scratch(length + SIDE, |numbers| {
        // SAFETY: the two types have one size and alignment, and neither has bits that are no value.
        let (_, words, _) = unsafe { numbers.align_to_mut::<u32>() };
        let skip = words.as_ptr().align_offset(64).min(SIDE);
        work(&mut words[skip..skip + length])
    })
}

/// The product of 32 packed rows and two panels, of which `size` counts, into the target at `place`.
///
/// # Safety
/// `rows` must be 32 rows and `panels` two panels of `pairs` words, the tiles configured, and the target must have room for
/// `size` numbers from `place` on.
unsafe fn block(
    rows: &[u32],
    panels: &[u32],
    pairs: usize,
    target: &Target,
    place: [usize; 2],
    size: [usize; 2],
) {
    // SAFETY: the place lies in the target.
    let c = unsafe { target.c.add(place[0] * target.stride + place[1]) };
    if size == [BLOCK, BLOCK] && target.scale == 1.0 {
        // SAFETY: the block is whole, so that its rows lie in the target.
        unsafe { multiply(rows, panels, pairs, c, target.stride, target.add) };
        return;
    }
    let mut whole = [0.0_f32; BLOCK * BLOCK];
    // SAFETY: there is room for the whole block.
    unsafe { multiply(rows, panels, pairs, whole.as_mut_ptr(), BLOCK, false) };
    // SAFETY: row and column are within the size that the target has room for.
    unsafe { copy(&whole, c, target, size) };
}

/// The part of a block that counts, scaled, to `c`.
///
/// # Safety
/// There must be room for `size` numbers at `c`, and numbers if the target adds.
#[target_feature(enable = "avx512f")]
unsafe fn copy(whole: &[f32; BLOCK * BLOCK], c: *mut f32, target: &Target, size: [usize; 2]) {
    let scale = _mm512_set1_ps(target.scale);
    for (row, numbers) in whole.chunks_exact(BLOCK).take(size[0]).enumerate() {
        for (half, numbers) in numbers.chunks_exact(SIDE).enumerate() {
            let count = size[1].saturating_sub(half * SIDE).min(SIDE);
            if count == 0 {
                continue;
            }
            let mask = ((1_u32 << count) - 1) as u16;
            // SAFETY: the numbers are 16; of the target no more is read and written than the mask says, which lies within it.
            unsafe {
                let place = c.add(row * target.stride + half * SIDE);
                let product = _mm512_mul_ps(_mm512_loadu_ps(numbers.as_ptr()), scale);
                let before =
                    if target.add { _mm512_maskz_loadu_ps(mask, place) } else { _mm512_setzero_ps() };
                _mm512_mask_storeu_ps(place, mask, _mm512_add_ps(before, product));
            }
        }
    }
}

/// Four tiles of the output at `c`, rows `stride` numbers apart.
///
/// # Safety
/// `rows` must be 32 rows and `panels` two panels of `pairs` words, a multiple of 16; there must be room for a block at `c`, and
/// numbers with `add`; the tiles must be configured.
unsafe fn multiply(rows: &[u32], panels: &[u32], pairs: usize, c: *mut f32, stride: usize, add: bool) {
    // SAFETY: the caller answers for what is read and written; every tile is listed.
    unsafe {
        asm!(
            "test {add}, {add}",
            "jz 3f",
            "tileloadd tmm0, [{c0} + {stride}*1]",
            "tileloadd tmm1, [{c0} + {stride}*1 + 64]",
            "tileloadd tmm2, [{c2} + {stride}*1]",
            "tileloadd tmm3, [{c2} + {stride}*1 + 64]",
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{a0} + {row}*1]",
            "tileloadd tmm6, [{b0} + {line}*1]",
            "tileloadd tmm5, [{a1} + {row}*1]",
            "tileloadd tmm7, [{b1} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a0}, 64",
            "add {a1}, 64",
            "add {b0}, 1024",
            "add {b1}, 1024",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{c0} + {stride}*1], tmm0",
            "tilestored [{c0} + {stride}*1 + 64], tmm1",
            "tilestored [{c2} + {stride}*1], tmm2",
            "tilestored [{c2} + {stride}*1 + 64], tmm3",
            add = in(reg) u64::from(add),
            a0 = inout(reg) rows.as_ptr() => _,
            a1 = inout(reg) rows.as_ptr().add(SIDE * pairs) => _,
            b0 = inout(reg) panels.as_ptr() => _,
            b1 = inout(reg) panels.as_ptr().add(SIDE * pairs) => _,
            steps = inout(reg) pairs / SIDE => _,
            row = in(reg) 4 * pairs,
            line = in(reg) 4 * SIDE,
            c0 = in(reg) c,
            c2 = in(reg) c.add(SIDE * stride),
            stride = in(reg) 4 * stride,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

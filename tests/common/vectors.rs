//! The SIMD operators by signature, and operands for them.

/// What an operator takes and gives, in letters: `v` a vector, `i` i32, `l` i64, `f` f32, `d` f64.
#[derive(Clone, Debug)]
pub struct VectorOperator {
    pub name: String,
    pub params: &'static str,
    pub result: char,
}

const UNARY: &str = "v128.not i8x16.{abs neg popcnt} \
    i16x8.{abs neg extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u extend_low_i8x16_s extend_high_i8x16_s \
        extend_low_i8x16_u extend_high_i8x16_u} \
    i32x4.{abs neg extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u extend_low_i16x8_s extend_high_i16x8_s \
        extend_low_i16x8_u extend_high_i16x8_u trunc_sat_f32x4_s trunc_sat_f32x4_u trunc_sat_f64x2_s_zero \
        trunc_sat_f64x2_u_zero relaxed_trunc_f32x4_s relaxed_trunc_f32x4_u relaxed_trunc_f64x2_s_zero \
        relaxed_trunc_f64x2_u_zero} \
    i64x2.{abs neg extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u} \
    f32x4.{abs neg sqrt ceil floor trunc nearest convert_i32x4_s convert_i32x4_u demote_f64x2_zero} \
    f64x2.{abs neg sqrt ceil floor trunc nearest convert_low_i32x4_s convert_low_i32x4_u promote_low_f32x4}";

const BINARY: &str = "v128.{and andnot or xor} \
    i8x16.{eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u add sub add_sat_s add_sat_u sub_sat_s sub_sat_u min_s min_u \
        max_s max_u avgr_u narrow_i16x8_s narrow_i16x8_u swizzle relaxed_swizzle} \
    i16x8.{eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u add sub mul add_sat_s add_sat_u sub_sat_s sub_sat_u min_s \
        min_u max_s max_u avgr_u narrow_i32x4_s narrow_i32x4_u q15mulr_sat_s relaxed_q15mulr_s extmul_low_i8x16_s \
        extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u relaxed_dot_i8x16_i7x16_s} \
    i32x4.{eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u add sub mul min_s min_u max_s max_u dot_i16x8_s \
        extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u} \
    i64x2.{eq ne lt_s gt_s le_s ge_s add sub mul extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u \
        extmul_high_i32x4_u} \
    f32x4.{eq ne lt gt le ge add sub mul div min max pmin pmax relaxed_min relaxed_max} \
    f64x2.{eq ne lt gt le ge add sub mul div min max pmin pmax relaxed_min relaxed_max}";

const TERNARY: &str = "v128.bitselect i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect \
    i64x2.relaxed_laneselect i32x4.relaxed_dot_i8x16_i7x16_add_s f32x4.{relaxed_madd relaxed_nmadd} \
    f64x2.{relaxed_madd relaxed_nmadd}";

const TEST: &str = "v128.any_true i8x16.{all_true bitmask} i16x8.{all_true bitmask} i32x4.{all_true bitmask} \
    i64x2.{all_true bitmask}";

const SHIFT: &str = "i8x16.{shl shr_s shr_u} i16x8.{shl shr_s shr_u} i32x4.{shl shr_s shr_u} i64x2.{shl shr_s shr_u}";

/// Shape, letter of its lanes outside a vector, number of lanes.
const SHAPES: [(&str, char, usize); 6] =
    [("i8x16", 'i', 16), ("i16x8", 'i', 8), ("i32x4", 'i', 4), ("i64x2", 'l', 2), ("f32x4", 'f', 4), ("f64x2", 'd', 2)];

/// Every operator without memory access, each lane and some shuffles; the last number is of operators.
pub fn operators() -> (Vec<VectorOperator>, usize) {
    let mut all = Vec::new();
    let kinds = [(UNARY, "v", 'v'), (BINARY, "vv", 'v'), (TERNARY, "vvv", 'v'), (TEST, "v", 'i'), (SHIFT, "vi", 'v')];
    for (names, params, result) in kinds {
        all.extend(expand(names).into_iter().map(|name| VectorOperator { name, params, result }));
    }
    let mut count = all.len();
    for (shape, letter, lanes) in SHAPES {
        let (splat, replace) = match letter {
            'i' => ("i", "vi"),
            'l' => ("l", "vl"),
            'f' => ("f", "vf"),
            _ => ("d", "vd"),
        };
        all.push(VectorOperator { name: format!("{shape}.splat"), params: splat, result: 'v' });
        let extracts: &[&str] = if lanes > 4 { &["extract_lane_s", "extract_lane_u"] } else { &["extract_lane"] };
        for lane in 0..lanes {
            let name = |what: &str| format!("{shape}.{what} {lane}");
            all.extend(extracts.iter().map(|what| VectorOperator { name: name(what), params: "v", result: letter }));
            all.push(VectorOperator { name: name("replace_lane"), params: replace, result: 'v' });
        }
        count += 2 + extracts.len();
    }
    all.extend(shuffles().into_iter().map(|name| VectorOperator { name, params: "vv", result: 'v' }));
    (all, count + 1)
}

/// `a.{b c}` stands for `a.b a.c`.
fn expand(names: &str) -> Vec<String> {
    let (mut all, mut prefix) = (Vec::new(), String::new());
    for word in names.split_whitespace() {
        let mut word = word;
        if let Some((before, first)) = word.split_once('{') {
            (prefix, word) = (before.into(), first);
        }
        let last = word.ends_with('}');
        all.push(format!("{prefix}{}", word.trim_end_matches('}')));
        if last {
            prefix.clear();
        }
    }
    all
}

/// The patterns that code generators know, and arbitrary ones.
fn shuffles() -> Vec<String> {
    let mut all: Vec<[u8; 16]> = Vec::new();
    for width in [1, 2, 4, 8] {
        let lanes = 16 / width;
        let pattern = |pick: &dyn Fn(usize) -> usize| -> [u8; 16] {
            std::array::from_fn(|byte| (pick(byte / width) * width + byte % width) as u8)
        };
        all.push(pattern(&|lane| lane / 2 + lane % 2 * lanes));
        all.push(pattern(&|lane| lanes / 2 + lane / 2 + lane % 2 * lanes));
        all.push(pattern(&|lane| 2 * lane));
        all.push(pattern(&|lane| lanes - 1 - lane));
        all.push(pattern(&|_| lanes / 2));
        all.push(pattern(&|lane| lane ^ 1));
        all.push(pattern(&|lane| if lane % 2 == 0 { lane } else { lane + lanes }));
    }
    all.push([0; 16]);
    all.extend([1, 4, 11, 15].map(|start| std::array::from_fn(|byte| (start + byte) as u8)));
    let mut random = Random(7);
    all.extend((0..16).map(|_| std::array::from_fn(|_| (random.next() % 32) as u8)));
    all.sort_unstable();
    all.dedup();
    all.iter().map(|lanes| format!("i8x16.shuffle {}", lanes.map(|lane| lane.to_string()).join(" "))).collect()
}

/// A small generator (xorshift64), so that every run sees the same numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

const F32_EDGES: [u32; 24] = [
    0,
    1 << 31,
    0x3f80_0000,
    0xbf80_0000,
    0x3f00_0000,
    0xbfc0_0000,
    0x4020_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    1,
    0x007f_ffff,
    0x0080_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7f80_0001,
    0xffa1_2345,
    0x4f00_0000,
    0xcf00_0000,
    0x4eff_ffff,
    0x4f7f_ffff,
    0x4f80_0000,
    0x4b00_0001,
];

const F64_EDGES: [u64; 24] = [
    0,
    1 << 63,
    0x3ff0 << 48,
    0xbff0 << 48,
    0x3fe0 << 48,
    0xbff8 << 48,
    0x4004 << 48,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    1,
    0x0010 << 48,
    0x7ff0 << 48,
    0xfff0 << 48,
    0x7ff8 << 48,
    0xfff8 << 48,
    (0x7ff0 << 48) + 1,
    0xfff4_1234_5678_9abc,
    0x41df_ffff_ffc0_0000,
    0xc1e0 << 48,
    0x41ef_ffff_ffe0_0000,
    0x41f0 << 48,
    0x41e0_0000_0010_0000,
    0x4330_0000_0000_0001,
    0x47ef_ffff_f000_0000,
];

/// Vectors with the edges of every lane type in every lane, and arbitrary ones.
pub fn vectors() -> Vec<u128> {
    let mut all = vec![0, u128::MAX];
    let edges_of_integers = |bits: u32| {
        let (high, ones) = (1_u64 << (bits - 1), u64::MAX >> (64 - bits));
        [0, 1, ones, high, high - 1, high + 1, 2, ones - 1, 3, high >> 1, 0x5555_5555_5555_5555 & ones, 7]
    };
    for bits in [8, 16, 32, 64] {
        let edges = edges_of_integers(bits);
        for start in 0..6 {
            all.push((0..128 / bits as usize).fold(0, |vector, lane| {
                vector << bits | u128::from(edges[(lane * 5 + start * 2 + lane / 4) % edges.len()])
            }));
        }
    }
    for start in (0..24).step_by(3) {
        let single = |lane: usize| u128::from(F32_EDGES[(start + lane * 5) % 24]) << (32 * lane);
        let double = |lane: usize| u128::from(F64_EDGES[(start + lane * 11) % 24]) << (64 * lane);
        all.push((0..4).map(single).sum());
        all.push((0..2).map(double).sum());
    }
    let mut random = Random(42);
    all.extend((0..8).map(|_| u128::from(random.next()) << 64 | u128::from(random.next())));
    all
}

/// Operands for one letter.
pub fn operands(letter: char) -> Vec<u128> {
    match letter {
        'v' => vectors(),
        'i' => [0_u32, 1, 7, 8, 15, 16, 31, 32, 63, 64, 127, 0x80, 0xff, 0x8000, 0xffff, 1 << 31, u32::MAX]
            .map(u128::from)
            .to_vec(),
        'l' => [0, 1, 1 << 63, u64::MAX, 0x0123_4567_89ab_cdef].map(u128::from).to_vec(),
        'f' => F32_EDGES.map(u128::from).to_vec(),
        _ => F64_EDGES.map(u128::from).to_vec(),
    }
}

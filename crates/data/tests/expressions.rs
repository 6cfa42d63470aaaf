//! Expressions: values, shapes and errors, row by row; NumPy and awkward as a peer.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int32Array, Int64Array, LargeListArray,
    ListArray, RecordBatch, StringArray, UInt8Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use fiducial_data::expr::{Data, Definitions, Environment, Expr, Shape, Values};

/// Three rows, the middle one without particles.
fn batch() -> RecordBatch {
    let list = |rows: [&[f64]; 3]| -> ArrayRef {
        let rows = rows.map(|row| Some(row.iter().map(|x| Some(*x)).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows))
    };
    let other = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1)]),
        Some(vec![]),
        Some(vec![Some(2), Some(3)]),
    ]);
    let flags = ListArray::new(
        Arc::new(Field::new("item", DataType::Boolean, false)),
        OffsetBuffer::new(vec![0, 2, 2, 3].into()),
        Arc::new(BooleanArray::from(vec![true, false, true])),
        None,
    );
    RecordBatch::try_from_iter([
        ("e", Arc::new(Float64Array::from(vec![10.0, 20.0, 30.0])) as ArrayRef),
        ("i", Arc::new(Int32Array::from(vec![-1, 0, 1])) as ArrayRef),
        ("u", Arc::new(UInt8Array::from(vec![1, 2, 3])) as ArrayRef),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true])) as ArrayRef),
        ("p", list([&[1.0, 2.0], &[], &[3.0]])),
        ("q", list([&[4.0, 5.0], &[], &[6.0]])),
        ("o", Arc::new(other) as ArrayRef),
        ("flag", Arc::new(flags) as ArrayRef),
        ("s", Arc::new(StringArray::from(vec![Some("x"), None, Some("z")])) as ArrayRef),
        ("big", Arc::new(Int64Array::from(vec![0, (1 << 53) + 1, 0])) as ArrayRef),
        ("part_px", Arc::new(Float64Array::from(vec![0.0; 3])) as ArrayRef),
        ("odd name", Arc::new(Float64Array::from(vec![7.0; 3])) as ArrayRef),
        ("Jet.PT", Arc::new(Float64Array::from(vec![8.0; 3])) as ArrayRef),
        ("missing", Arc::new(Int64Array::from(vec![Some(0), None, Some(0)])) as ArrayRef),
        ("gap", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(1.5)])) as ArrayRef),
    ])
    .unwrap()
}

/// Values as text: `5` for a scalar, `[1 2]` for rows, `[[1] []]` for lists.
fn show(values: &Values, rows: usize) -> String {
    let all: Vec<String> = match values.data() {
        Data::Numbers(numbers) => numbers.iter().map(f64::to_string).collect(),
        Data::Integers(integers) => integers.iter().map(i64::to_string).collect(),
        Data::Booleans(booleans) => booleans.iter().map(|b| b.to_string()).collect(),
    };
    let row = |row| all[values.row_range(row)].join(" ");
    match values.shape() {
        Shape::Scalar => row(0),
        Shape::Events => format!("[{}]", all.join(" ")),
        Shape::Jagged(_) => {
            format!("[{}]", (0..rows).map(|i| format!("[{}]", row(i))).collect::<Vec<_>>().join(" "))
        }
    }
}

#[test]
fn values_and_shapes() {
    let batch = batch();
    let environment = Environment::new(&batch);
    let check = |text: &str, expected: &str| {
        let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let values = expr.evaluate(&environment).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(show(&values, batch.num_rows()), expected, "{text}");
        assert_eq!(values.to_array(batch.num_rows()).len(), batch.num_rows(), "{text}");
        // The normal form means the same.
        let again = Expr::parse(&expr.to_string()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, expr, "{text} as {expr}");
    };
    // Precedence and associativity.
    check("1 + 2 * 3", "7");
    check("(1 + 2) * 3", "9");
    check("2 - 3 - 4", "-5");
    check("2 ** 3 ** 2", "512");
    check("-2 ** 2", "-4");
    check("(-2) ** 2", "4");
    check("2 ** -1", "0.5");
    check("+-~(1 > 2) * 3", "-3");
    check("7 // 2 % 2", "1");
    check("-7 // 2", "-4");
    check("-7 % 3", "2");
    check("1e3 + 1_000 + .5 + 2.", "2002.5");
    check("np.pi > 3 and not math.inf < np.e", "true");
    check("not 1 > 2 and False or True", "true");
    check("1 < 2 < 3", "true");
    check("1 < 2 > 3", "false");
    check("(1 < 2) < 3", "true");
    check("1 == 1.0 != 2", "true");
    // Columns and broadcasting.
    check("e", "[10 20 30]");
    check("i + u", "[0 2 4]");
    check("b", "[true false true]");
    check("b + 1", "[2 1 2]");
    check("`odd name` + Jet.PT", "[15 15 15]");
    check("p", "[[1 2] [] [3]]");
    check("p * 2 + q", "[[6 9] [] [12]]");
    check("p + e", "[[11 12] [] [33]]");
    check("e - p * e", "[[0 -10] [] [-60]]");
    check("15 < e <= 30", "[false true true]");
    check("(p > 1) & (e > 0) | b", "[[true true] [] [true]]");
    check("~b", "[false true false]");
    check("where(b, e, -1)", "[10 -1 30]");
    check("where(p > 1, e, p)", "[[1 10] [] [30]]");
    check("where(b, ~b, b)", "[false false false]");
    check("clip(p, 1.5, 2.5)", "[[1.5 2] [] [2.5]]");
    check("hypot(3, 4) + ak.num(p)", "[7 5 6]");
    check("ones_like(p) - zeros_like(e)", "[[1 1] [] [1]]");
    check("sign(i) + abs(i)", "[0 0 2]");
    check("isnan(0 / i)", "[false true false]");
    check("isfinite(1 / i)", "[true false true]");
    check("minimum(np.nan, 1)", "NaN");
    // A float that is missing is NaN.
    check("gap", "[0.5 NaN 1.5]");
    check("isnan(gap)", "[false true false]");
    check("nan_to_num(gap, nan=-1)", "[0.5 -1 1.5]");
    // What NumPy's users expect.
    check("power(e, 2) + square(i) + np.square(b)", "[102 400 902]");
    check("round(2.5) + np.rint(3.5) + trunc(-2.7)", "4");
    check("np.logical_and(i, u > 1) | np.logical_not(np.logical_or(i, b))", "[false true true]");
    check("nan_to_num(i / 0) > 1e300", "[false false true]");
    check("nan_to_num(0 / i, nan=7) + nan_to_num(u, nan=7)", "[1 9 3]");
    check("isinf(1 / i)", "[false true false]");
    check("where(i, u, -1)", "[1 -1 3]");
    check("bitwise_and(u, 2) + 10 * bitwise_or(u, 4) + 100 * bitwise_xor(u, 1)", "[50 362 272]");
    check("left_shift(u, 2) + right_shift(u, 1)", "[4 9 13]");
    check("abs(degrees(radians(e)) - e) < 1e-12", "[true true true]");
    check("prod(p) + cbrt(8) + exp2(3)", "[12 11 13]");
    check("std(p, default=-1) + var(p, default=e)", "[0.75 19 0]");
    check("ak.concatenate([p, q], axis=1)", "[[1 2 4 5] [] [3 6]]");
    check("ak.cartesian([p, o,]).b", "[[1 1] [] [2 3]]");
    // Reductions, indices, masks.
    check("sum(p)", "[3 0 3]");
    check("ak.sum(p > 1, axis=1) + np.sum(p, axis=-1)", "[4 0 4]");
    check("count(p)", "[2 0 1]");
    check("any(p > 1)", "[true false true]");
    check("all(p > 1)", "[false true true]");
    check("max(p, default=-1)", "[2 -1 3]");
    check("min(p, default=e)", "[1 20 3]");
    check("max(e, 15)", "[15 20 30]");
    check("min(p, q)", "[[1 2] [] [3]]");
    check("mean(p, default=0)", "[1.5 0 3]");
    check("first(p, default=0)", "[1 0 3]");
    check("first(flag, default=False)", "[true false true]");
    check("p[p > 1]", "[[2] [] [3]]");
    check("p[flag]", "[[1] [] [3]]");
    check("flag[p > 1]", "[[false] [] [true]]");
    check("sum(p[flag] * q[flag])", "[4 0 18]");
    check("count(p[p > 100])", "[0 0 0]");
    // Integers stay integers, and exact.
    check("big == 9007199254740993", "[false true false]");
    check("(big - 1) // 2 * 2 == big", "[false false false]");
    check("big % 2 + i // 2", "[-1 1 0]");
    check("i * 3 - u", "[-4 -2 0]");
    check("2**62 // 1", "4611686018427388000");
    check("where(b, i, u) + sum(o) - sum(flag)", "[-1 2 5]");
    check("min(o, default=i) + clip(i, 0, 5)", "[1 0 3]");
    check("max(flag, default=False)", "[true false true]");
    check("int(2.9) + int(-2.9) + int(True)", "1");
    check("argmax(p, default=-1)", "[1 -1 0]");
    // Items of lists.
    check("p[1:]", "[[2] [] []]");
    check("p[:, -1:]", "[[2] [] [3]]");
    check("p[argsort(p, ascending=False)]", "[[2 1] [] [3]]");
    check("p[local_index(p) * 0]", "[[1 1] [] [3]]");
    check("sort(-p)", "[[-2 -1] [] [-3]]");
    check("concatenate(p, o, o)", "[[1 2 1 1] [] [3 2 3 2 3]]");
    check("combinations(p, 2).a + combinations(p, 2).b", "[[3] [] []]");
    check("cartesian(p, o).b", "[[1 1] [] [2 3]]");
    check("sum(cartesian(p, o, nested=True).b)", "[[1 1] [] [5]]");
    check("count(combinations(combinations(p, 2), 2))", "[0 0 0]");
    check("(record(x=p, y=e).y)[p > 1]", "[[10] [] [30]]");
    // Four-vectors.
    check("p4(pt=p, phi=0, eta=0, mass=0, charge=1)[p > 1].charge", "[[1] [] [1]]");
    check("sum(p4(px=p, py=0, pz=0, E=q)).mass", "[8.48528137423857 0 5.196152422706632]");
    check("(-p4(px=1, py=2, pz=3, E=4) * 2).py", "-4");
    check("(p4(px=1, py=2, pz=3, E=4) - p4(px=1, py=1, pz=1, E=1)).E", "3");
    check("abs(rest_frame(p4(px=0, py=0, pz=3, E=5), p4(px=0, py=0, pz=3, E=5)).E - 4) < 1e-12", "true");
    check("abs(boost(p4(px=0, py=0, pz=0, E=4), p4(px=0, py=0, pz=3, E=5)).pz - 3) < 1e-12", "true");
    check(
        "delta_r(p4(pt=1, eta=0, phi=0, mass=0), p4(pt=1, eta=3, phi=4 - 2 * np.pi, mass=0)) < 3.8",
        "true",
    );
    check(
        "abs(transverse_mass(p4(pt=40, eta=1, phi=0, mass=0), p4(pt=40, eta=0, phi=np.pi, mass=0)) - 80) < 1e-6",
        "true",
    );
    check("count(cluster_jets(p4(pt=p, y=0, phi=0, mass=0), R=0.8))", "[1 0 1]");
    check("count(cluster_constituents(p4(pt=p, y=0, phi=0, mass=0), algorithm=\"kt\"))", "[[2] [] [1]]");
    check("soft_drop(p4(pt=p, y=0, phi=0, mass=0)).pt", "[3 0 3]");
    check("n_subjettiness(p4(pt=p, y=0, phi=0, mass=0), 1)", "[0 0 0]");
    // Physics.
    check("pt(3, 4)", "5");
    check("mass(0, 0, 3, u * 5)", "[4 9.539392014169456 14.696938456699069]");
    check("delta_phi(p, q)", "[[-3 -3] [] [-3]]");
    check("delta_r(0, 0, 3, 0) + eta(1, 0, 0) + phi(1, 0) + rapidity(1, 0)", "3");
}

#[test]
fn errors_name_the_place() {
    let batch = batch();
    let environment = Environment::new(&batch).with_first_row(100);
    let check = |text: &str, position: usize, message: &str| {
        let error = match Expr::parse(text) {
            Ok(expr) => expr.evaluate(&environment).expect_err(text),
            Err(error) => error,
        };
        let shown = error.to_string();
        assert!(shown.contains(message), "{text}\n{shown}");
        assert_eq!(error.position(), position, "{text}\n{shown}");
    };
    // Parsing.
    check("", 1, "the expression is empty");
    check("1 +", 4, "expected a value, found the end");
    check("(1 + 2", 7, "expected `)`, found the end");
    check("e p", 3, "expected an operator or the end, found `p`");
    check("e = 3", 3, "equality is `==`");
    check("e ^ 3", 3, "a power is `**`");
    check("1 if b else 2", 3, "use `where(condition, a, b)`");
    check("1 + not b", 5, "expected a value, found `not`");
    check("e $ 2", 3, "unexpected character '$'");
    check("e > \"x\"", 5, "strings cannot be used");
    check("!b", 1, "write `not x`");
    check("12abc + 1", 1, "`12abc` is no number");
    check("1e999", 1, "too large");
    check("9223372036854775808", 1, "beyond 9223372036854775807, the largest one");
    check("`open", 1, "no closing backquote");
    check("1 + sqr(e)", 5, "did you mean `sqrt`?");
    check("np.hypt(e, e)", 1, "no function `np.hypt`");
    check("hypot(e)", 1, "`hypot` takes 2 arguments, found 1");
    check("clip(e, low=1)", 9, "takes no argument `low` here");
    check("sum(p, axis=0)", 13, "reductions go over the particle axis alone");
    check("sum(p, default=0)", 8, "takes no argument `default` here");
    check("p[1.5]", 3, "expected a whole number or a mask");
    check("é + ü +", 8, "expected a value");
    check(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000)), 101, "levels deep");
    check(&"-".repeat(5000), 200, "levels deep");
    check(&"not ".repeat(5000), 801, "levels deep");
    check(&"x".repeat(100_000), 1, "more than the 65536 that are allowed");
    check("1 + p[0:2:1]", 10, "expected `]`, found `:`");
    check("p[0, 1]", 3, "the first of several subscripts goes over the rows");
    check(
        "cluster_jets(p, algorithm=\"best\")",
        27,
        "expected one of \"anti-kt\", \"cambridge-aachen\", \"kt\"",
    );
    check("cluster_jets(p, R=e)", 19, "expected a number");
    check("p4(pt=1, pt=2)", 10, "the argument `pt` is given twice");
    check("p.delta_r(q)", 1, "write `delta_r(p, ...)`");
    check("p[0].", 6, "expected the name of a field");
    // Evaluation.
    check("9223372036854775807 + u", 1, "9223372036854775807 + 1 in row 100 is beyond the largest integer");
    check("1 - i // (u - 1)", 5, "-1 // 0 in row 100 is no integer");
    check(
        "sum(where(p > 0, 9223372036854775807, 0))",
        1,
        "the sum of `where(p > 0, 9223372036854775807, 0)` in row 100",
    );
    check("big + 0.5", 1, "`big` is 9007199254740993 in row 101, beyond 2^53");
    check("int(p / 0)", 5, "`p / 0` is inf in row 100, which is no integer");
    check("(p).pt", 1, "`p` holds numbers, which have no field `pt`");
    check("p4(pt=1, eta=0, phi=0, mass=0).ptt", 1, "has no field `ptt`");
    check("1 + p4(pt=e, eta=0, phi=0, mass=0)", 1, "`+` does not work on numbers and a four-vector");
    check("p4(pt=e, eta=0, phi=0, mass=0)", 1, "the result is a four-vector, not numbers");
    check("combinations(p, 2)", 1, "the result is a record, not numbers");
    check("sqrt(combinations(p, 2))", 6, "`combinations(p, 2)` is a record where numbers are wanted");
    check("delta_r(p, q)", 9, "`p` is numbers where a four-vector is wanted");
    check("combinations(p, 1)", 17, "a whole number from 2 to 8");
    check("p[o]", 1, "index 2 is outside `p`, which has 1 values in row 102");
    check("p[i]", 1, "index -1 is outside `p`, which has 2 values in row 100");
    check("o[:, 0, 0]", 1, "index 0 is outside `o`, which has 0 values in row 101");
    check("q[:1][:, :, 0]", 1, "an index wants lists of lists, but `q[:1]` is a list per row");
    check("flatten(p)", 9, "flattening wants a list of lists per row");
    check("first(argmax(p))", 7, "`p` has no values in row 101");
    check("1 + part_pxx", 5, "did you mean `part_px`?");
    check("s == 1", 1, "column `s` has the type Utf8, which holds no numbers");
    check("1 + missing", 5, "column `missing` is null in row 101");
    check("big / 2", 1, "`big` is 9007199254740993 in row 101, beyond 2^53");
    check("1 + p * o", 5, "the lists do not match: in row 100 `p` has 2 values and `o` has 1");
    check("e & b", 1, "`e` holds numbers where booleans are wanted");
    check("e > 1 & u < 2", 5, "comparisons beside `&` and `|` stand in parentheses");
    check("~e", 2, "`e` holds numbers where booleans are wanted");
    check("1 + sum(e)", 9, "a reduction wants a list per row, but `e` is one value per row");
    check("1 + max(p)", 5, "`p` has no values in row 101");
    check("p[0]", 1, "index 0 is outside `p`, which has 0 values in row 101");
    check("p[b]", 3, "a mask in brackets wants a list per row, but `b` is one value per row");
    check("p[q]", 3, "`q` holds numbers where booleans are wanted");
    check("max(p, default=q)", 16, "a default is one value per row");
    check("u & 2", 1, "`u` holds numbers where booleans are wanted");
    check("left_shift(u, 63)", 1, "the bits of 1 in row 100 cannot be moved by 63");
    check("bitwise_and(e, 2)", 13, "`e` holds floats where integers are wanted");
    check("concatenate([p, q)", 18, "expected `]`, found `)`");
    check("where(e, 1, 2)", 7, "`e` holds numbers where booleans are wanted");
}

#[test]
fn an_error_shows_the_text_with_a_caret() {
    let error = Expr::parse("part_pt / (jet_pt +\n  2 ** )").unwrap_err();
    let expected = "parse an expression: expected a value, found `)` (column 28)\n  |   2 ** )\n  |        ^";
    assert_eq!(error.to_string(), expected);
    let batch = batch();
    let error = Expr::parse("1 + part_pxx").unwrap().evaluate(&Environment::new(&batch)).unwrap_err();
    let expected = "evaluate an expression: no column `part_pxx` (column 5)\n  | 1 + part_pxx\n  |     ^^^^^^^^\n  \
                    hint: did you mean `part_px`?";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn rows_with_enough_particles_can_be_indexed() {
    let batch = batch().slice(0, 1);
    let environment = Environment::new(&batch);
    for (text, expected) in
        [("p[0]", "[1]"), ("p[-1]", "[2]"), ("p[:, 1]", "[2]"), ("flag[0]", "[true]"), ("p[p > 1][0]", "[2]")]
    {
        let values = Expr::parse(text).unwrap().evaluate(&environment).unwrap();
        assert_eq!(show(&values, 1), expected, "{text}");
    }
}

#[test]
fn every_layout_of_lists_is_read() {
    let rows = [
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(3.0), Some(4.0)]),
        Some(vec![Some(5.0), Some(6.0)]),
    ];
    let list = ListArray::from_iter_primitive::<Float32Type, _, _>(rows.clone());
    let large = LargeListArray::from_iter_primitive::<Float32Type, _, _>(rows.clone());
    let fixed = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2);
    let batch = RecordBatch::try_from_iter([
        ("list", Arc::new(list) as ArrayRef),
        ("large", Arc::new(large) as ArrayRef),
        ("fixed", Arc::new(fixed) as ArrayRef),
    ])
    .unwrap();
    let sum = Expr::parse("list + large * 10 + fixed * 100").unwrap();
    for (offset, length, expected) in [
        (0, 3, "[[111 222] [333 444] [555 666]]"),
        (1, 2, "[[333 444] [555 666]]"),
        (1, 1, "[[333 444]]"),
        (3, 0, "[]"),
    ] {
        let slice = batch.slice(offset, length);
        let values = sum.evaluate(&Environment::new(&slice)).unwrap();
        assert_eq!(show(&values, length), expected);
        assert_eq!(values.to_array(length).len(), length);
    }
}

#[test]
fn a_null_in_a_list_names_its_row() {
    let mut builder = ListBuilder::new(Int32Builder::new());
    builder.append(true);
    builder.append(true);
    builder.values().append_value(1);
    builder.values().append_null();
    builder.append(true);
    let batch = RecordBatch::try_from_iter([("x", Arc::new(builder.finish()) as ArrayRef)]).unwrap();
    let row = |batch: &RecordBatch| {
        Expr::parse("x").unwrap().evaluate(&Environment::new(batch)).expect_err("a null").row()
    };
    // Rows end where `append` is called: the two values belong to the third.
    assert_eq!(row(&batch), Some(2));
    assert_eq!(row(&batch.slice(1, 2)), Some(1));
}

#[test]
fn definitions_are_checked_and_may_be_many() {
    let entries = |rows: &[(&str, &str)]| {
        rows.iter().map(|(name, text)| ((*name).to_owned(), Expr::parse(text).unwrap())).collect()
    };
    let fails = |rows: &[(&str, &str)]| Definitions::new(entries(rows)).unwrap_err().to_string();
    assert_eq!(fails(&[("a", "1"), ("a", "2")]), "define the new variable `a`: it is defined twice");
    assert_eq!(fails(&[("a", "a + 1")]), "define the new variable `a`: it refers to itself");
    let later = fails(&[("a", "b + 1"), ("b", "1")]);
    assert_eq!(later, "define the new variable `a`: it refers to `b`, which is defined below it");

    // A chain of ten thousand must not overflow the stack.
    let mut chain = vec![("v0".to_owned(), Expr::parse("e").unwrap())];
    chain.extend((1..10_000).map(|i| (format!("v{i}"), Expr::parse(&format!("v{} + 1", i - 1)).unwrap())));
    let chain = Definitions::new(chain).unwrap();
    let batch = batch();
    let environment = Environment::new(&batch).with_definitions(&chain);
    let values = Expr::column("v9999").evaluate(&environment).unwrap();
    assert_eq!(show(&values, 3), "[10009 10019 10029]");

    let hidden = Definitions::new(entries(&[("e", "1"), ("bad", "p * o")])).unwrap();
    let environment = Environment::new(&batch).with_definitions(&hidden);
    let error = Expr::parse("e").unwrap().evaluate(&environment).unwrap_err();
    assert!(error.to_string().contains("both a column and a new variable"), "{error}");
    let error = Expr::parse("1 + bad").unwrap().evaluate(&environment).unwrap_err();
    assert_eq!(error.variable(), Some("bad"));
    assert!(
        error.to_string().starts_with("evaluate the new variable `bad`: the lists do not match"),
        "{error}"
    );
}

#[test]
fn a_long_sum_neither_recurses_nor_takes_quadratic_time() {
    let text = vec!["e"; 20_000].join("+");
    let batch = batch();
    let expr = Expr::parse(&text).unwrap();
    assert_eq!(show(&expr.evaluate(&Environment::new(&batch)).unwrap(), 3), "[200000 400000 600000]");
    assert_eq!(Expr::parse(&text.replace('+', " + ")).is_ok(), text.len() * 2 < 65_536);
    assert_eq!(expr.to_string().len(), text.len() + 2 * 19_999);
}

#[test]
fn expressions_are_texts_to_serde() {
    let expr: Expr = serde_json::from_str("\"a+b\"").unwrap();
    assert_eq!(serde_json::to_string(&expr).unwrap(), "\"a+b\"");
    assert!(serde_json::from_str::<Expr>("\"a+\"").is_err());
}

/// The same texts mean the same to NumPy and awkward: what a weaver configuration says, it says here too.
#[test]
fn numpy_and_awkward_agree() {
    let Ok(python) = std::env::var("FIDUCIAL_TEST_PYTHON") else {
        writeln!(std::io::stderr(), "skipped: FIDUCIAL_TEST_PYTHON is not set").unwrap();
        return;
    };
    let texts = [
        "np.hypot(p, q)",
        "np.log(p / e)",
        "np.log1p(p) + np.log10(q) + np.exp(-p)",
        "ak.ones_like(p) * e",
        "1 - b * 1",
        "np.arctan2(p, q) - np.arcsinh(p) + np.arccosh(q) + np.sinh(p) + np.cosh(p) + np.tanh(q)",
        "np.sin(p) * np.cos(q) + np.tan(p)",
        "p // q + p % q + (-p) // q + (-p) % q + e // 0.1 + e % 0.1",
        "-p ** 2 + 2 ** -p",
        "np.sign(p - q) + np.floor(p / q) + np.ceil(p / q)",
        "(p > 2) & (q < 6) | ~(p == 1)",
        "ak.where(p > 2, p, q)",
        "np.minimum(p, q) + np.maximum(p, 2)",
        "np.isnan(p / 0 - p / 0)",
        "np.isfinite(p / 0)",
        "ak.sum(p * q, axis=1)",
        "ak.any(p > 2, axis=-1)",
        "ak.all(p > 2, axis=-1)",
        "ak.num(p)",
        "ak.count(p, axis=1) + math.pi",
        "p[p > 1]",
        "ak.sum(p[q > 4], axis=1) / e",
        "abs(i) + np.sqrt(e)",
        "np.power(e, 2) + np.square(p) + np.cbrt(e) + np.exp2(i)",
        "np.round(e / 4) + np.rint(p / 2) + np.trunc(-e / 7)",
        "np.where(i, e, 0)",
        "np.logical_or(i, np.logical_not(b)) * 1.0 + np.logical_and(e, i)",
        "np.nan_to_num(i / (e - 20), nan=3) + np.isinf(e / 0)",
        "np.bitwise_and(i, 5) + np.bitwise_or(i, 6) + np.bitwise_xor(i, 3) + np.left_shift(i, 2) + np.right_shift(i, 1)",
        "np.deg2rad(e) + np.rad2deg(e)",
        "ak.prod(p, axis=1)",
        "ak.concatenate([p, q], axis=1)",
    ];
    let batch = batch();
    let environment = Environment::new(&batch);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expressions.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = serde_json::json!({
        "events": { "e": [10.0, 20.0, 30.0], "i": [-1, 0, 1], "b": [true, false, true] },
        "particles": { "p": [[1.0, 2.0], [], [3.0]], "q": [[4.0, 5.0], [], [6.0]] },
        "texts": texts,
    });
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let peer: Vec<(Vec<f64>, Option<Vec<i32>>)> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(peer.len(), texts.len());
    for (text, (numbers, offsets)) in texts.iter().zip(peer) {
        let values =
            Expr::parse(text).unwrap().evaluate(&environment).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(values.offsets().map(|offsets| offsets.to_vec()), offsets, "{text}");
        let ours = values.numbers();
        assert_eq!(ours.len(), numbers.len(), "{text}");
        for (ours, theirs) in ours.iter().zip(numbers) {
            assert!((ours - theirs).abs() <= 4e-16 * theirs.abs().max(1.0), "{text}: {ours} and {theirs}");
        }
    }
}

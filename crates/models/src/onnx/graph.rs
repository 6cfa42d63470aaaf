//! A graph that is being built: one typed method for each operator that the architectures use.

use super::proto::{Attribute, Dimension, Message, Type, tensor, value_info};

/// The operator set: the first with `LayerNormalization`, which ONNX Runtime reads since 1.11 (2022).
pub const OPSET: i64 = 17;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 8;

/// The output of a node, an input of the graph or a constant, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Value(String);

/// Nodes, constants, inputs and outputs.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    names: usize,
}

impl Graph {
    fn name(&mut self, what: &str) -> Value {
        self.names += 1;
        Value(format!("{what}_{}", self.names))
    }

    fn node<const OUTPUTS: usize>(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute<'_>)],
    ) -> [Value; OUTPUTS] {
        let outputs = std::array::from_fn(|_| self.name(&operator.to_lowercase()));
        self.push(operator, inputs, &outputs, attributes);
        outputs
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        outputs: &[Value],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let mut node = Message::new();
        for input in inputs {
            node = node.text(1, &input.0);
        }
        for output in outputs {
            node = node.text(2, &output.0);
        }
        let name = outputs.first().map_or("", |output| output.0.as_str());
        node = node.text(3, name).text(4, operator);
        for (name, attribute) in attributes {
            node = node.message(5, &attribute.message(name));
        }
        self.nodes.push(node);
    }

    fn one(&mut self, operator: &str, inputs: &[&Value], attributes: &[(&str, Attribute<'_>)]) -> Value {
        let [output] = self.node(operator, inputs, attributes);
        output
    }

    /// An input of floats.
    pub(crate) fn input(&mut self, name: &str, shape: &[Dimension]) -> Value {
        self.inputs.push(value_info(name, shape));
        Value(name.to_owned())
    }

    /// Makes `value` an output of the graph under `name`.
    pub(crate) fn output(&mut self, name: &str, value: &Value, shape: &[Dimension]) {
        self.push("Identity", &[value], &[Value(name.to_owned())], &[]);
        self.outputs.push(value_info(name, shape));
    }

    fn constant(&mut self, data_type: Type, shape: &[usize], raw: &[u8]) -> Value {
        let name = self.name("constant");
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        self.constants.push(tensor(&name.0, data_type, &shape, raw));
        name
    }

    pub(crate) fn floats(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Type::Float, shape, &raw)
    }

    pub(crate) fn float(&mut self, value: f32) -> Value {
        self.floats(&[], &[value])
    }

    pub(crate) fn double(&mut self, value: f64) -> Value {
        self.constant(Type::Double, &[], &value.to_le_bytes())
    }

    pub(crate) fn doubles(&mut self, shape: &[usize], values: &[f64]) -> Value {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Type::Double, shape, &raw)
    }

    pub(crate) fn integers(&mut self, values: &[i64]) -> Value {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Type::Integer, &[values.len()], &raw)
    }

    pub(crate) fn integer(&mut self, value: i64) -> Value {
        self.constant(Type::Integer, &[], &value.to_le_bytes())
    }

    pub(crate) fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Add", &[a, b], &[])
    }

    pub(crate) fn subtract(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Sub", &[a, b], &[])
    }

    pub(crate) fn multiply(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Mul", &[a, b], &[])
    }

    pub(crate) fn divide(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Div", &[a, b], &[])
    }

    pub(crate) fn least(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Min", &[a, b], &[])
    }

    pub(crate) fn greatest(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Max", &[a, b], &[])
    }

    pub(crate) fn negative(&mut self, x: &Value) -> Value {
        self.one("Neg", &[x], &[])
    }

    pub(crate) fn absolute(&mut self, x: &Value) -> Value {
        self.one("Abs", &[x], &[])
    }

    pub(crate) fn root(&mut self, x: &Value) -> Value {
        self.one("Sqrt", &[x], &[])
    }

    pub(crate) fn logarithm(&mut self, x: &Value) -> Value {
        self.one("Log", &[x], &[])
    }

    pub(crate) fn exponential(&mut self, x: &Value) -> Value {
        self.one("Exp", &[x], &[])
    }

    pub(crate) fn sign(&mut self, x: &Value) -> Value {
        self.one("Sign", &[x], &[])
    }

    /// The largest whole number that is not above `x`.
    pub(crate) fn floor(&mut self, x: &Value) -> Value {
        self.one("Floor", &[x], &[])
    }

    pub(crate) fn arc_tangent(&mut self, x: &Value) -> Value {
        self.one("Atan", &[x], &[])
    }

    pub(crate) fn rectify(&mut self, x: &Value) -> Value {
        self.one("Relu", &[x], &[])
    }

    /// `x Phi(x)`, by the error function: the operator `Gelu` came with a later set.
    pub(crate) fn gelu(&mut self, x: &Value) -> Value {
        let scale = self.float(std::f32::consts::SQRT_2);
        let one = self.float(1.0);
        let half = self.float(0.5);
        // In this order ONNX Runtime finds the pattern and makes one operation of it.
        let scaled = self.divide(x, &scale);
        let error = self.one("Erf", &[&scaled], &[]);
        let sum = self.add(&error, &one);
        let product = self.multiply(x, &sum);
        self.multiply(&product, &half)
    }

    pub(crate) fn sigmoid(&mut self, x: &Value) -> Value {
        self.one("Sigmoid", &[x], &[])
    }

    /// `x sigmoid(x)`.
    pub(crate) fn silu(&mut self, x: &Value) -> Value {
        let gate = self.sigmoid(x);
        self.multiply(x, &gate)
    }

    pub(crate) fn softmax(&mut self, x: &Value) -> Value {
        self.one("Softmax", &[x], &[("axis", Attribute::Integer(-1))])
    }

    pub(crate) fn matrix_product(&mut self, a: &Value, b: &Value) -> Value {
        self.one("MatMul", &[a, b], &[])
    }

    pub(crate) fn layer_norm(&mut self, x: &Value, gain: &Value, shift: &Value, epsilon: f32) -> Value {
        let attributes = [("axis", Attribute::Integer(-1)), ("epsilon", Attribute::Float(epsilon))];
        self.one("LayerNormalization", &[x, gain, shift], &attributes)
    }

    pub(crate) fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.one("Transpose", &[x], &[("perm", Attribute::Integers(order))])
    }

    pub(crate) fn concatenate(&mut self, values: &[&Value], axis: i64) -> Value {
        self.one("Concat", values, &[("axis", Attribute::Integer(axis))])
    }

    /// A 0 in the shape keeps the dimension, a -1 takes what is left.
    pub(crate) fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.integers(shape);
        self.one("Reshape", &[x, &shape], &[])
    }

    pub(crate) fn unsqueeze(&mut self, x: &Value, axis: i64) -> Value {
        let axes = self.integers(&[axis]);
        self.one("Unsqueeze", &[x, &axes], &[])
    }

    pub(crate) fn squeeze(&mut self, x: &Value, axis: i64) -> Value {
        let axes = self.integers(&[axis]);
        self.one("Squeeze", &[x, &axes], &[])
    }

    /// Elements `start..end` along `axis`.
    pub(crate) fn slice(&mut self, x: &Value, axis: i64, start: i64, end: i64) -> Value {
        let [start, end, axis] = [start, end, axis].map(|value| self.integers(&[value]));
        self.one("Slice", &[x, &start, &end, &axis], &[])
    }

    /// The sum along an axis, which stays with length 1 if `keep`.
    pub(crate) fn sum(&mut self, x: &Value, axis: i64, keep: bool) -> Value {
        let axes = self.integers(&[axis]);
        self.one("ReduceSum", &[x, &axes], &[("keepdims", Attribute::Integer(i64::from(keep)))])
    }

    pub(crate) fn cast(&mut self, x: &Value, to: Type) -> Value {
        self.one("Cast", &[x], &[("to", Attribute::Integer(to as i64))])
    }

    pub(crate) fn choose(&mut self, condition: &Value, yes: &Value, no: &Value) -> Value {
        self.one("Where", &[condition, yes, no], &[])
    }

    pub(crate) fn equal(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Equal", &[a, b], &[])
    }

    pub(crate) fn less(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Less", &[a, b], &[])
    }

    pub(crate) fn and(&mut self, a: &Value, b: &Value) -> Value {
        self.one("And", &[a, b], &[])
    }

    pub(crate) fn or(&mut self, a: &Value, b: &Value) -> Value {
        self.one("Or", &[a, b], &[])
    }

    pub(crate) fn not(&mut self, x: &Value) -> Value {
        self.one("Not", &[x], &[])
    }

    /// The length of `x` along an axis, as one number of shape (1).
    pub(crate) fn length(&mut self, x: &Value, axis: i64) -> Value {
        let attributes = [("start", Attribute::Integer(axis)), ("end", Attribute::Integer(axis + 1))];
        self.one("Shape", &[x], &attributes)
    }

    /// 0, 1, ... below `end`, of shape (1).
    pub(crate) fn range(&mut self, end: &Value) -> Value {
        let [start, step] = [0, 1].map(|value| self.integer(value));
        let end = self.squeeze(end, 0);
        self.one("Range", &[&start, &end, &step], &[])
    }

    pub(crate) fn expand(&mut self, x: &Value, shape: &Value) -> Value {
        self.one("Expand", &[x, shape], &[])
    }

    /// The `k` largest along the last axis: values and places.
    pub(crate) fn largest(&mut self, x: &Value, k: &Value) -> [Value; 2] {
        let attributes = [("axis", Attribute::Integer(-1)), ("largest", Attribute::Integer(1))];
        self.node("TopK", &[x, k], &attributes)
    }

    /// For each entry of `places`, (n, ...), the row of `x`, (n, rows, columns), that it names: (n, ..., columns).
    pub(crate) fn rows_at(&mut self, x: &Value, places: &Value) -> Value {
        let places = self.unsqueeze(places, -1);
        self.one("GatherND", &[x, &places], &[("batch_dims", Attribute::Integer(1))])
    }

    /// A convolution of `x`, (n, channels, ...), with weights of (outputs, channels, ...); beyond the edges there are zeros,
    /// as many on each side as keep the size.
    pub(crate) fn convolution(&mut self, x: &Value, weight: &Value, bias: &Value, kernel: &[i64]) -> Value {
        let pads: Vec<i64> = kernel.iter().chain(kernel).map(|size| size / 2).collect();
        let attributes =
            [("kernel_shape", Attribute::Integers(kernel)), ("pads", Attribute::Integers(&pads))];
        self.one("Conv", &[x, weight, bias], &attributes)
    }

    /// The mean of each square of four pixels of `x`, (n, channels, height, width); squares at the far edges of odd sizes
    /// have fewer.
    pub(crate) fn means_of_squares(&mut self, x: &Value, [height, width]: [usize; 2]) -> Value {
        // A line of padding that counts for nothing: runtimes disagree less on it than on `ceil_mode`.
        let pads = [0, 0, height % 2, width % 2].map(|size| size as i64);
        let attributes = [
            ("kernel_shape", Attribute::Integers(&[2, 2])),
            ("strides", Attribute::Integers(&[2, 2])),
            ("pads", Attribute::Integers(&pads)),
            ("count_include_pad", Attribute::Integer(0)),
        ];
        self.one("AveragePool", &[x], &attributes)
    }

    /// The mean over all places of `x`, (n, channels, ...), which keep the length 1.
    pub(crate) fn mean_of_places(&mut self, x: &Value) -> Value {
        self.one("GlobalAveragePool", &[x], &[])
    }

    /// `x` of `dimensions` dimensions with a zero before and one after all others along its last.
    pub(crate) fn between_zeros(&mut self, x: &Value, dimensions: usize) -> Value {
        let mut pads = vec![0; 2 * dimensions];
        pads[dimensions - 1] = 1;
        pads[2 * dimensions - 1] = 1;
        let pads = self.integers(&pads);
        self.one("Pad", &[x, &pads], &[])
    }

    /// Gated recurrent units whose reset follows the product with the state, as in PyTorch. Inputs are the sequences, (steps,
    /// n, inputs), their weights, those of the states, the biases, and how many steps each of `n` has. Outputs are all
    /// states, (steps, 1, n, width), and the last of each, (1, n, width).
    pub(crate) fn gated_units(&mut self, inputs: [&Value; 5], width: usize) -> [Value; 2] {
        let attributes = [
            ("hidden_size", Attribute::Integer(width as i64)),
            ("linear_before_reset", Attribute::Integer(1)),
        ];
        self.node("GRU", &inputs, &attributes)
    }

    /// Long short-term memory; as [`Graph::gated_units`].
    pub(crate) fn long_memory(&mut self, inputs: [&Value; 5], width: usize) -> [Value; 2] {
        self.node("LSTM", &inputs, &[("hidden_size", Attribute::Integer(width as i64))])
    }

    /// The bytes of the model.
    pub(crate) fn finish(self, name: &str, metadata: &[(&str, &str)]) -> Vec<u8> {
        let mut graph = Message::new();
        for (field, messages) in
            [(1, &self.nodes), (5, &self.constants), (11, &self.inputs), (12, &self.outputs)]
        {
            graph = messages.iter().fold(graph, |graph, message| graph.message(field, message));
            if field == 1 {
                graph = graph.text(2, name);
            }
        }
        let operators = Message::new().text(1, "").integer(2, OPSET);
        let mut model = Message::new()
            .integer(1, IR_VERSION)
            .text(2, "fiducial")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &operators);
        for (key, value) in metadata {
            model = model.message(14, &Message::new().text(1, key).text(2, value));
        }
        model.into_bytes()
    }
}

// network.js: the parameters that the page carries, and what the network makes of an input.
'use strict';

// A number of 16 bits, half precision, as it is.
function ofHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// All parameters [W1|b1|W2|b2|...], each W by columns: the weights of one input side by side.
function parametersOf(network) {
  const bytes = Uint8Array.from(atob(network.parameters), (c) => c.charCodeAt(0));
  const data = new DataView(bytes.buffer), wide = network.precision === 'single';
  const values = new Float32Array(bytes.length / (wide ? 4 : 2));
  for (let i = 0; i < values.length; ++i)
    values[i] = wide ? data.getFloat32(4 * i, true) : ofHalf(data.getUint16(2 * i, true));
  return values;
}

const activations = {
  sigmoid: (z) => 1 / (1 + Math.exp(-z)),
  tanh: Math.tanh,
  relu: (z) => Math.max(0, z),
};

function softmax(sums) {
  const most = sums.reduce((a, b) => Math.max(a, b)), powers = sums.map((z) => Math.exp(z - most));
  const whole = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / whole);
}

// What every layer says of an input's bytes; the last one is the answer.
function layersOf(network, parameters, bytes) {
  const layers = [];
  let below = Float64Array.from(bytes, (pixel) => pixel * network.pixel_scale), place = 0;
  for (const size of network.sizes.slice(1)) {
    const bias = place + size * below.length;
    const sums = Float64Array.from(parameters.subarray(bias, bias + size));
    below.forEach((value, j) => {
      if (value === 0) return;
      for (let i = 0; i < size; ++i) sums[i] += parameters[place + j * size + i] * value;
    });
    place = bias + size;
    const last = place === parameters.length;
    below = !last ? sums.map(activations[network.activation])
            : network.output === 'softmax' ? softmax(sums) : sums.map(activations.sigmoid);
    layers.push(below);
  }
  return layers;
}

// The class of an answer: the largest, the first of equals.
const classOf = (answer) => answer.reduce((best, y, c) => y > answer[best] ? c : best, 0);

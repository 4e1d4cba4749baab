// show.js: what the page shows of a drawing: its strokes, the network's input, every layer, the answer.
'use strict';

// Shades of a canvas with a pixel each, from colours [red, green, blue].
function paint(canvas, width, height, colourOf) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; ++i) image.data.set([...colourOf(i), 255], 4 * i);
  canvas.getContext('2d').putImageData(image, 0, 0);
}

function colour(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim().slice(1);
  const digits = hex.length === 3 ? [...hex].map((c) => c + c).join('') : hex;
  return [0, 2, 4].map((i) => parseInt(digits.slice(i, i + 2), 16));
}

const mixed = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));

function showStrokes() {
  const pad = part('pad'), scale = pad.clientWidth * devicePixelRatio / size;
  pad.width = pad.height = Math.round(size * scale);
  const context = pad.getContext('2d');
  context.scale(scale, scale);
  context.strokeStyle = context.fillStyle = `rgb(${colour('pen')})`;
  context.lineWidth = 2 * pen;
  context.lineCap = context.lineJoin = 'round';
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    for (const point of stroke) context.lineTo(...point);
    context.stroke();
  }
  if (document.activeElement !== pad || !pad.matches(':focus-visible')) return;
  context.lineWidth = 2;
  context.strokeStyle = `rgb(${colour(penDown ? 'low' : 'high')})`;
  context.beginPath();
  context.arc(...cursor, pen, 0, 2 * Math.PI);
  context.stroke();
}

// A square a unit: 0 is the card's colour, above it blue, below it orange.
function showLayers(layers) {
  const card = colour('track'), high = colour('high'), low = colour('low');
  layers.slice(0, -1).forEach((values, l) => {
    const canvas = part('layers').children[l].lastChild;
    const most = network.activation === 'relu' ? Math.max(1e-9, ...values) : 1;
    const cols = Math.ceil(Math.sqrt(3 * values.length)), rows = Math.ceil(values.length / cols);
    paint(canvas, cols, rows, (i) => i >= values.length ? colour('card')
        : mixed(card, values[i] < 0 ? low : high, Math.abs(values[i]) / most));
  });
}

const percent = (p) => `${(100 * p).toFixed(1)} %`;
const className = (c) => network.class_names[c] ?? String(c);

function showAnswer(answer, why, {wasSqueezed, mayBeTwo} = {}) {
  const best = answer ? classOf(answer) : -1;
  [...part('bars').children].forEach((bar, c) => {
    bar.className = c === best ? 'best' : '';
    bar.children[1].style.setProperty('--p', answer ? answer[c] : 0);
    bar.children[2].textContent = answer ? percent(answer[c]) : '';
  });
  part('digit').textContent = answer ? className(best) : '\u2013';
  say(!answer ? why || 'Nothing is drawn yet.'
      : `${className(best)}, ${percent(answer[best])}` + (answer[best] < 0.5 ? '. It is not sure.' : '') +
        (mayBeTwo ? '. It may be two digits that touch.' : '') +
        (wasSqueezed ? '. The drawing is wider than a digit, and was made narrower.' : ''));
}

// A screen reader would speak at every point of a stroke: so the words wait until the pen rests.
let words, timer;
function say(text) {
  words = text;
  clearTimeout(timer);
  timer = setTimeout(() => { part('sure').textContent = words; }, 250);
}

// What the drawing is prepared to, what every layer says of it, and `why` that is no answer. Of
// drawings that stand apart there are no bytes and no layers; of two digits that touch, and of a dash, there are.
function judged() {
  const drawn = prepared(ink, network.rows, network.cols);
  if (!drawn.bytes) return drawn;
  const layers = layersOf(network, parameters, drawn.bytes), answer = layers[layers.length - 1], c = classOf(answer);
  const more = howManyMore(drawn, network, c, answer[c]);
  const why = isDash(drawn, network) ? 'A flat stroke, such as a dash, is no digit: draw one digit.' :
      more === 2 ? 'This looks like two digits that touch: draw one digit.' : undefined;
  return {...drawn, layers, why, mayBeTwo: more === 1 && answer[c] > network.sure};
}

function show() {
  const found = judged(), {bytes, why, layers} = found;
  showStrokes();
  paint(part('seen'), network.cols, network.rows, (i) => Array(3).fill(bytes ? bytes[i] : 0));
  showLayers(layers ?? layersOf(network, parameters, new Uint8Array(network.rows * network.cols)));
  for (const card of document.querySelectorAll('.seen,.layers')) card.classList.toggle('idle', why !== undefined);
  showAnswer(why === undefined ? layers[layers.length - 1] : undefined, why, found);
  part('hint').hidden = strokes.length > 0;
  part('undo').disabled = strokes.length + cleared.length === 0;
  part('clear').disabled = part('save').disabled = strokes.length === 0;
}

let waiting = false;
function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    show();
  });
}

// ---- made once

function makeBars() {
  for (let c = 0; c < network.sizes[network.sizes.length - 1]; ++c) {
    const bar = document.createElement('li');
    bar.append(...['span', 'i', 'span'].map((name) => document.createElement(name)));
    bar.firstChild.textContent = className(c);
    part('bars').append(bar);
  }
}

function makeLayers() {
  network.sizes.slice(1, -1).forEach((units, l) => {
    const layer = document.createElement('div'), name = document.createElement('h3');
    const grid = document.createElement('canvas');
    name.textContent = `Hidden layer ${l + 1}: ${units} units, ${network.activation}`;
    grid.setAttribute('role', 'img');
    grid.setAttribute('aria-label', `How much each unit of hidden layer ${l + 1} answers`);
    layer.append(name, grid);
    part('layers').append(layer);
  });
  if (network.sizes.length === 2) part('layers').textContent = 'This network has no hidden layer.';
}

// draw.js: the page: strokes become a drawing, the drawing an answer, and both are shown.
//
// The drawing is kept twice: as strokes, which are drawn smoothly on the screen, and as a sheet of
// 0 and 1, which is prepared. "Save as PNG" writes that sheet, on the white margin that
// docs/pictures.md asks for, so that ./main predict gets the same picture.
'use strict';

const size = 280, pen = 12, edge = 8, margin = 210;  // pixels of the drawing; the pen's radius
const network = JSON.parse(document.getElementById('network').textContent);
const parameters = parametersOf(network);
const part = (id) => document.getElementById(id);

let strokes = [], cleared = [], ink = blank();
let pointer = null;                                  // that draws
let cursor = [size / 2, size / 2], penDown = false;  // of the keyboard

function blank() {
  return sheetOf(size + 2 * edge, size + 2 * edge);
}

// ---- strokes

// Ink wherever the pen is between two points. An edge stays free, as paper around the drawing.
function mark(sheet, [x0, y0], [x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
  const from = (a, b) => Math.max(0, Math.min(a, b) - pen), to = (a, b) => Math.min(size - 1, Math.max(a, b) + pen);
  for (let y = from(y0, y1); y <= to(y0, y1); ++y)
    for (let x = from(x0, x1); x <= to(x0, x1); ++x) {
      const along = length2 === 0 ? 0 : clamp(((x - x0) * dx + (y - y0) * dy) / length2, 0, 1);
      const u = x - x0 - along * dx, v = y - y0 - along * dy;
      if (u * u + v * v <= pen * pen) sheet.values[(y + edge) * sheet.width + x + edge] = 1;
    }
}

function begin(point) {
  strokes.push([point]);
  cleared = [];
  mark(ink, point, point);
  changed();
}

function goOn(point) {
  const stroke = strokes[strokes.length - 1], before = stroke[stroke.length - 1];
  if (point[0] === before[0] && point[1] === before[1]) return;
  stroke.push(point);
  mark(ink, before, point);
  changed();
}

function setStrokes(all) {
  strokes = all;
  pointer = null;
  penDown = false;
  ink = blank();
  for (const stroke of strokes) stroke.forEach((point, i) => mark(ink, stroke[Math.max(0, i - 1)], point));
  changed();
}

function undo() {
  const before = strokes.length > 0 ? strokes.slice(0, -1) : cleared;
  cleared = [];
  setStrokes(before);
}

function clear() {
  cleared = strokes;
  setStrokes([]);
}

// The picture that predict reads: the drawing dark on a wide white page.
function picture() {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size + 2 * margin;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = '#000';
  ink.values.forEach((value, i) => {
    const x = i % ink.width - edge + margin, y = Math.floor(i / ink.width) - edge + margin;
    if (value > 0) context.fillRect(x, y, 1, 1);
  });
  return canvas;
}

// ---- what is shown

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

function showAnswer(answer, why, wasSqueezed) {
  const best = answer ? classOf(answer) : -1;
  [...part('bars').children].forEach((bar, c) => {
    bar.className = c === best ? 'best' : '';
    bar.children[1].style.setProperty('--p', answer ? answer[c] : 0);
    bar.children[2].textContent = answer ? percent(answer[c]) : '';
  });
  part('digit').textContent = answer ? className(best) : '\u2013';
  say(!answer ? why || 'Nothing is drawn yet.'
      : `${className(best)}, ${percent(answer[best])}` + (answer[best] < 0.5 ? '. It is not sure.' : '') +
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
// drawings that stand apart there are no bytes and no layers; of two digits that touch there are.
function judged() {
  const drawn = prepared(ink, network.rows, network.cols);
  if (!drawn.bytes) return drawn;
  const layers = layersOf(network, parameters, drawn.bytes), answer = layers[layers.length - 1], c = classOf(answer);
  const why = looksLikeTwo(drawn, network, c, answer[c])
      ? 'This may be two digits that touch: draw one digit.' : undefined;
  return {...drawn, layers, why};
}

function show() {
  const {bytes, why, wasSqueezed, layers} = judged();
  showStrokes();
  paint(part('seen'), network.cols, network.rows, (i) => Array(3).fill(bytes ? bytes[i] : 0));
  showLayers(layers ?? layersOf(network, parameters, new Uint8Array(network.rows * network.cols)));
  showAnswer(why === undefined ? layers[layers.length - 1] : undefined, why, wasSqueezed);
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

// ---- what a person does

function pointOf(event) {
  const box = part('pad').getBoundingClientRect();
  const place = (at, from, length) => clamp(Math.round((at - from) / length * size), 0, size);
  return [place(event.clientX, box.left, box.width), place(event.clientY, box.top, box.height)];
}

function listenToPointers(pad) {
  pad.addEventListener('pointerdown', (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    penDown = false;
    pad.setPointerCapture(pointer);
    begin(pointOf(event));
  });
  pad.addEventListener('pointermove', (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of events.length > 0 ? events : [event]) goOn(pointOf(each));
  });
  for (const end of ['pointerup', 'pointercancel'])
    pad.addEventListener(end, (event) => { if (event.pointerId === pointer) pointer = null; });
}

const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

function onPadKey(event) {
  const arrow = arrows[event.key], far = event.shiftKey ? 1 : 10, key = event.key.toLowerCase();
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (key === 'u') undo();
  else if (key === 'c' && strokes.length > 0) clear();
  if (!arrow && key !== ' ') return;
  event.preventDefault();
  if (pointer !== null) return;
  if (arrow) cursor = cursor.map((at, i) => clamp(at + far * arrow[i], 0, size));
  else if ((penDown = !penDown)) begin(cursor);
  if (arrow && penDown) goOn(cursor);
  changed();
}

function onKey(event) {
  const command = event.ctrlKey || event.metaKey;
  if (command && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'z') undo();
}

function save() {
  picture().toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = 'digit.png';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  part('theme').textContent = dark ? 'Light' : 'Dark';
  part('theme').setAttribute('aria-label', `Switch to ${dark ? 'light' : 'dark'} colours`);
  changed();
}

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

makeBars();
makeLayers();
listenToPointers(part('pad'));
part('pad').addEventListener('keydown', onPadKey);
for (const name of ['focus', 'blur']) part('pad').addEventListener(name, changed);
addEventListener('keydown', onKey);
addEventListener('resize', changed);
part('undo').addEventListener('click', undo);
part('clear').addEventListener('click', clear);
part('save').addEventListener('click', save);
part('theme').addEventListener('click', () => setTheme(document.documentElement.dataset.theme !== 'dark'));
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
systemIsDark.addEventListener('change', () => setTheme(systemIsDark.matches));
setTheme(systemIsDark.matches);

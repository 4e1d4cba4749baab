// draw.js: what a person does on the page: strokes become a drawing, which show.js shows with its answer.
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

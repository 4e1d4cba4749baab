// prepare.js: what was drawn becomes the network's input, by the steps of ./main predict.
//
// Every function has the name and the arithmetic of its twin in src/input or touching.cpp, in the same order; a
// Float32Array rounds as float does there. So both make the same bytes. A drawing is 0 (paper) and
// 1 (ink). The steps that are not here take out light, shadow and lines; docs/pictures.md says why
// they change nothing of a drawing.
'use strict';

// ---- picture_pieces.cpp

// What hangs together, diagonals too; the largest first, without what is too small to be drawn.
function piecesOf(ink) {
  const labels = new Int32Array(ink.values.length), all = [];
  for (let from = 0; from < labels.length; ++from) {
    if (ink.values[from] === 0 || labels[from] !== 0) continue;
    const piece = {label: all.length + 1, mass: 0, box: null}, open = [from];
    labels[from] = piece.label;
    while (open.length > 0) {
      const place = open.pop(), x = place % ink.width, y = (place - x) / ink.width;
      const pixel = {left: x, top: y, width: 1, height: 1};
      piece.box = piece.box ? both(piece.box, pixel) : pixel;
      piece.mass += ink.values[place];
      for (let b = y - 1; b <= y + 1; ++b)
        for (let a = x - 1; a <= x + 1; ++a) {
          const near = b * ink.width + a;
          if (!holds(ink, a, b) || ink.values[near] === 0 || labels[near] !== 0) continue;
          labels[near] = piece.label;
          open.push(near);
        }
    }
    all.push(piece);
  }
  all.sort((a, b) => b.mass - a.mass);
  const large = all.filter((piece) => piece.mass >= all[0].mass / 40);
  const specks = all.slice(large.length).reduce((sum, piece) => sum + piece.mass, 0);
  return {all: large, labels, specks};
}

const side = (box) => Math.max(box.width, box.height);
const gapAcross = (a, b) => Math.max(a.left, b.left) - Math.min(right(a), right(b));
const gapDown = (a, b) => Math.max(a.top, b.top) - Math.min(bottom(a), bottom(b));

function areTwoDigits(a, b) {
  const larger = Math.max(side(a), side(b)), smaller = Math.min(side(a), side(b));
  const taller = Math.max(a.height, b.height), narrower = Math.min(a.width, b.width);
  if (2 * smaller <= larger) return false;
  const flat = 2 * Math.min(a.height, b.height) <= taller;
  const asTall = -4 * gapDown(a, b) > 3 * taller;
  const shared = flat ? -0.06 * larger : (asTall ? 0.6 : 0.25) * narrower;
  return -gapAcross(a, b) < shared || gapDown(a, b) > 0.15 * larger;
}

function mayBeOneDigit(a, b) {
  const far = 3 * Math.max(gapAcross(a, b), gapDown(a, b)) > Math.max(side(a), side(b));
  return !far && !areTwoDigits(a, b);
}

function isNearer(a, b, piece) {
  const space = (box) => Math.hypot(Math.max(0, gapAcross(box, piece)), Math.max(0, gapDown(box, piece)));
  const between = (box) => Math.hypot(2 * box.left + box.width - 2 * piece.left - piece.width,
                                      2 * box.top + box.height - 2 * piece.top - piece.height);
  return space(a) < space(b) || (space(a) === space(b) && between(a) < between(b));
}

// The groups of pieces that belong to one digit each.
function digitsOf(pieces) {
  const groups = [];
  for (const piece of pieces) {
    let home = null;
    for (const group of groups)
      if (mayBeOneDigit(group.box, piece.box) && (!home || isNearer(group.box, home.box, piece.box)))
        home = group;
    if (!home) {
      groups.push({box: piece.box, pieces: [piece]});
    } else {
      home.box = both(home.box, piece.box);
      home.pieces.push(piece);
    }
  }
  return groups;
}

// ---- picture_touching.cpp

// The value that this part of the values does not exceed.
const quantile = (values, part) => values.sort()[Math.trunc(part * (values.length - 1))];

// The digit's box in 56 rows, full ink as 1, without the faintest ink.
function ofRows(digit) {
  const rows = 56, faint = Math.fround(0.02), faintest = Math.fround(0.1), box = boxOf(digit);
  const across = clamp(Math.round(box.width * rows / box.height), 1, Math.max(4 * rows, box.width));
  const small = scaled(digit, box, across, rows), inked = small.values.filter((ink) => ink > faint);
  const full = inked.length === 0 ? 1 : quantile(inked, 0.75);
  small.values = small.values.map((ink) => ink / full)
      .map((ink) => ink < faintest ? 0 : Math.min(ink, 1));
  return small;
}

// One row: its strokes, its pixels of ink, the outermost two.
function rowOf(sheet, y) {
  const row = {strokes: 0, ink: 0, first: 0, last: 0}, dark = 0.5;
  for (let x = 0; x < sheet.width; ++x) {
    if (at(sheet, x, y) < dark) continue;
    if (row.ink++ === 0) row.first = x;
    if (x === 0 || at(sheet, x - 1, y) < dark) ++row.strokes;
    row.last = x;
  }
  return row;
}

// The part of the columns of the middle half that meet one stroke at most.
function bridgeOf(small) {
  const columns = transposed(small), edge = Math.floor(small.width / 4);
  let single = 0;
  for (let x = edge; x < small.width - edge; ++x) if (rowOf(columns, x).strokes <= 1) ++single;
  return single / (small.width - 2 * edge);
}

function strokesOf(digit) {
  const small = ofRows(digit);
  let strokes = 0, inkedRows = 0, ink = 0, across = 0;
  for (let y = 0; y < small.height; ++y) {
    const row = rowOf(small, y);
    if (row.ink === 0) continue;
    ++inkedRows;
    strokes += row.strokes;
    ink += row.ink;
    across += row.last - row.first + 1;
  }
  if (inkedRows === 0) return {met: 0, paper: 0, bridge: 0};
  return {met: strokes / inkedRows, paper: 1 - ink / across, bridge: bridgeOf(small)};
}

// ---- picture_prepare.cpp

// Width and length of the pen's stroke: a stroke has twice its length as outline.
function strokeOf(digit, box) {
  const smooth = meanAround(digit, Math.floor(side(box) / 60));
  const inked = (x, y) => holds(smooth, x, y) && at(smooth, x, y) >= 0.5;
  let area = 0, outline = 0;
  for (let y = box.top; y < bottom(box); ++y)
    for (let x = box.left; x < right(box); ++x) {
      if (!inked(x, y)) continue;
      ++area;
      for (const [u, v] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) if (!inked(x + u, y + v)) ++outline;
    }
  outline *= Math.PI / 4;
  return {width: outline > 0 ? 2 * area / outline : 1, length: outline / 2};
}

// A stroke that winds, unlike that of a 1, gets proportions that digits have.
function naturalSize(box, stroke) {
  const size = {width: box.width, height: box.height};
  if (stroke.length <= 1.3 * Math.hypot(size.width, size.height)) return size;
  if (size.width < 0.5 * size.height) size.width = 0.6 * size.height;
  if (size.width > 1.15 * size.height) size.width = 0.9 * size.height;
  return size;
}

// How many pixels of 28 a stroke should be wider (or, below 0, less wide).
function widerBy(width) {
  return width < 1.9 ? 1.9 - width : Math.max(-4, Math.min(0, 4.5 - width));
}

// The darkest pixel becomes full ink.
function stretch(drawing) {
  const factor = Math.fround(255 / drawing.values.reduce((a, b) => Math.max(a, b)));
  drawing.values = drawing.values.map((ink) => ink * factor);
}

function withWiderStroke(digit, box, size, by) {
  const fine = 4, length = (pixels) => Math.max(1, Math.round(fine * pixels));
  const inner = scaled(digit, box, length(size.width), length(size.height));
  const edge = fine * (1 + Math.ceil(Math.abs(by)));
  const large = sheetOf(inner.width + 2 * edge, inner.height + 2 * edge);
  for (let y = 0; y < inner.height; ++y)
    for (let x = 0; x < inner.width; ++x)
      large.values[(y + edge) * large.width + x + edge] = at(inner, x, y);
  stretch(large);
  const radius = Math.abs(by) / 2 * fine;
  return by > 0 ? thicker(large, radius) : thinner(large, radius);
}

// The drawing in rows x cols bytes, its centre of mass in the middle.
function centred(drawing, rows, cols) {
  let mass = 0, along = 0, down = 0;
  for (let y = 0; y < drawing.height; ++y)
    for (let x = 0; x < drawing.width; ++x) {
      const ink = at(drawing, x, y);
      mass += ink;
      along += ink * x;
      down += ink * y;
    }
  const placed = (centre, box, whole) => clamp(Math.floor(whole / 2) - Math.round(centre), 0, whole - box);
  const left = placed(along / mass, drawing.width, cols), top = placed(down / mass, drawing.height, rows);
  const input = new Uint8Array(rows * cols);
  for (let y = 0; y < drawing.height; ++y)
    for (let x = 0; x < drawing.width; ++x)
      input[(top + y) * cols + left + x] = Math.round(at(drawing, x, y));
  return input;
}

function inputOfDigit(digit, rows, cols) {
  const filled = 20 / 28, box = boxOf(digit), stroke = strokeOf(digit, box);
  const natural = naturalSize(box, stroke), toMnist = 20 / side(natural);
  const fitted = (from, piece, size) => {
    const scale = Math.min(filled * cols / size.width, filled * rows / size.height);
    const length = (pixels) => Math.max(1, Math.round(scale * pixels));
    return scaled(from, piece, length(size.width), length(size.height));
  };
  let drawing = fitted(digit, box, natural);
  const by = widerBy(stroke.width * toMnist);
  if (by !== 0) {
    const size = {width: natural.width * toMnist, height: natural.height * toMnist};
    const large = withWiderStroke(digit, box, size, by), grown = boxOf(large);
    if (grown.width > 0) drawing = fitted(large, grown, grown);
  }
  stretch(drawing);
  return {bytes: centred(drawing, rows, cols), wasSqueezed: natural.width < box.width};
}

// The input of a drawing, or why there is none.
function prepared(ink, rows, cols) {
  const pieces = piecesOf(ink);
  if (pieces.all.length === 0) return {why: ''};
  const drawn = pieces.all.reduce((sum, piece) => sum + piece.mass, 0);
  if (2 * pieces.specks > drawn) return {why: 'Only specks: draw one digit.'};
  const digits = digitsOf(pieces.all);
  if (digits.length > 1) return {why: `${digits.length} drawings that stand apart: draw one digit.`};
  const chosen = new Set(digits[0].pieces.map((piece) => piece.label));
  const digit = sheetOf(ink.width, ink.height);
  digit.values = ink.values.map((value, i) => chosen.has(pieces.labels[i]) ? value : 0);
  const {width, height} = digits[0].box;
  return {...inputOfDigit(digit, rows, cols), strokes: strokesOf(digit), wide: width / height};
}

// ---- touching.cpp

// Whether a drawing is a dash, which a network of digits would take for one.
const isDash = ({wide}, network) => network.most_crowding.length > 0 && wide > network.widest_digit;

// Whether a drawing that the network reads so may be two digits (1), or looks like it (2).
function howManyMore({strokes}, network, c, probability) {
  const least = network.most_crowding[c];
  if (least === undefined) return 0;
  const crowding = strokes.met - 0.8 * strokes.paper + 0.2 * strokes.bridge;
  const nines = -Math.log10(Math.max(1 - probability, 1e-6));
  const over = crowding - least - network.crowding_of_a_nine * nines;
  return over > 0 ? 2 : over > -network.doubtful_crowding ? 1 : 0;
}

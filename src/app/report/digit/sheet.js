// sheet.js: sheets of numbers, and what predict does with them: boxes, means, scaling, thicker and thinner.
//
// As in prepare.js, every function has the name and the arithmetic of its twin, in src/input/sheet.cpp.
'use strict';

const sheetOf = (width, height) => ({width, height, values: new Float32Array(width * height)});
const at = (sheet, x, y) => sheet.values[y * sheet.width + x];
const holds = (sheet, x, y) => x >= 0 && y >= 0 && x < sheet.width && y < sheet.height;
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

const right = (box) => box.left + box.width;
const bottom = (box) => box.top + box.height;

function boxOf(sheet) {
  let left = sheet.width, top = sheet.height, last = -1, lowest = -1;
  for (let y = 0; y < sheet.height; ++y)
    for (let x = 0; x < sheet.width; ++x)
      if (at(sheet, x, y) > 0) {
        left = Math.min(left, x);
        last = Math.max(last, x);
        top = Math.min(top, y);
        lowest = y;
      }
  if (last < 0) return {left: 0, top: 0, width: 0, height: 0};
  return {left, top, width: last - left + 1, height: lowest - top + 1};
}

function both(a, b) {
  const left = Math.min(a.left, b.left), top = Math.min(a.top, b.top);
  return {left, top, width: Math.max(right(a), right(b)) - left,
          height: Math.max(bottom(a), bottom(b)) - top};
}

function transposed(sheet) {
  const result = sheetOf(sheet.height, sheet.width);
  for (let y = 0; y < sheet.height; ++y)
    for (let x = 0; x < sheet.width; ++x) result.values[x * sheet.height + y] = at(sheet, x, y);
  return result;
}

// The mean over a square of 2 reach + 1 pixels a side, as far as it lies in the sheet.
function meanAround(sheet, reach) {
  for (let turn = 0; turn < 2; ++turn) {
    const result = sheetOf(sheet.width, sheet.height);
    for (let y = 0; y < sheet.height; ++y) {
      let sum = 0, count = 0;
      for (let i = 0; i < sheet.width + reach; ++i) {
        if (i < sheet.width) sum += at(sheet, i, y), ++count;
        if (i > 2 * reach) sum -= at(sheet, i - 2 * reach - 1, y), --count;
        if (i >= reach) result.values[y * sheet.width + i - reach] = sum / count;
      }
    }
    sheet = transposed(result);
  }
  return sheet;
}

// The weights of the pixels from `first` on that make one pixel of a scaled row.
function scaling(from, to) {
  const all = [], stretch = from / to;
  for (let i = 0; i < to; ++i) {
    if (stretch >= 1) {
      const begin = i * stretch, end = Math.min(from, (i + 1) * stretch);
      const first = Math.floor(begin), weights = [];
      for (let k = first; k < from && k < end; ++k)
        weights.push((Math.min(end, k + 1) - Math.max(begin, k)) / (end - begin));
      all.push({first, weights});
    } else {
      const centre = clamp((i + 0.5) * stretch - 0.5, 0, from - 1);
      const first = Math.min(Math.floor(centre), Math.max(0, from - 2));
      all.push({first, weights: from === 1 ? [1] : [1 - (centre - first), centre - first]});
    }
  }
  return all;
}

function scaled(sheet, box, width, height) {
  const result = sheetOf(width, height);
  const across = scaling(box.width, width), down = scaling(box.height, height);
  const row = new Float64Array(box.width);
  for (let y = 0; y < height; ++y) {
    row.fill(0);
    down[y].weights.forEach((weight, k) => {
      for (let x = 0; x < box.width; ++x)
        row[x] += weight * at(sheet, box.left + x, box.top + down[y].first + k);
    });
    for (let x = 0; x < width; ++x) {
      let sum = 0;
      across[x].weights.forEach((weight, k) => { sum += weight * row[across[x].first + k]; });
      result.values[y * width + x] = sum;
    }
  }
  return result;
}

// The largest value within `radius` pixels; from there on a straight line to 0 over one pixel.
function thicker(sheet, radius) {
  const reach = Math.ceil(radius), {width, height} = sheet;
  const result = {width, height, values: sheet.values.slice()};
  for (let v = -reach; v <= reach; ++v)
    for (let u = -reach; u <= reach; ++u) {
      const weight = Math.fround(clamp(radius + 1 - Math.sqrt(u * u + v * v), 0, 1));
      if (weight === 0) continue;
      for (let y = Math.max(0, -v); y < Math.min(height, height - v); ++y)
        for (let x = Math.max(0, -u); x < Math.min(width, width - u); ++x)
          result.values[y * width + x] =
              Math.max(at(result, x, y), weight * at(sheet, x + u, y + v));
    }
  return result;
}

function thinner(sheet, radius) {
  const most = sheet.values.reduce((a, b) => Math.max(a, b));
  const opposite = ({width, height, values}) => ({width, height, values: values.map((v) => most - v)});
  return opposite(thicker(opposite(sheet), radius));
}

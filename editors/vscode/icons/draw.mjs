// Draws the extension's icon, icon.png, and the language's, language.svg: three layers, as a disk image has them.
// `node icons/draw.mjs` writes both anew.
import { writeFileSync } from "node:fs";
import { deflateSync } from "node:zlib";

const SIZE = 128;
const SAMPLES = 4;

const slab = (y) => [
  [64, y - 24],
  [108, y],
  [64, y + 24],
  [20, y],
];
// From the bottom up; what lies higher hides what is below, with a gap between.
const layers = [
  { y: 86, color: [92, 107, 192] },
  { y: 66, color: [38, 166, 154] },
  { y: 46, color: [236, 239, 241] },
];
const background = [32, 41, 64];
const gap = 7;

function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i];
    const [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function onCard(x, y) {
  const radius = 24;
  const dx = Math.max(radius - x, x - (SIZE - radius), 0);
  const dy = Math.max(radius - y, y - (SIZE - radius), 0);
  return dx * dx + dy * dy <= radius * radius;
}

function colorAt(x, y) {
  if (!onCard(x, y)) return undefined;
  let color = background;
  for (const layer of layers) {
    if (inside(slab(layer.y + gap), x, y)) color = background;
    if (inside(slab(layer.y), x, y)) color = layer.color;
  }
  return color;
}

const raw = [];
for (let row = 0; row < SIZE; row++) {
  raw.push(0);
  for (let column = 0; column < SIZE; column++) {
    const sum = [0, 0, 0];
    let hits = 0;
    for (let n = 0; n < SAMPLES * SAMPLES; n++) {
      const x = column + ((n % SAMPLES) + 0.5) / SAMPLES;
      const y = row + (Math.floor(n / SAMPLES) + 0.5) / SAMPLES;
      const color = colorAt(x, y);
      if (!color) continue;
      hits++;
      color.forEach((value, channel) => (sum[channel] += value));
    }
    raw.push(...sum.map((value) => (hits ? Math.round(value / hits) : 0)), Math.round((255 * hits) / SAMPLES ** 2));
  }
}

const table = Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const crc = (bytes) => (bytes.reduce((sum, byte) => table[(sum ^ byte) & 255] ^ (sum >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "ascii"), data]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc(body));
  return Buffer.concat([head, body, tail]);
}
const header = Buffer.alloc(13);
header.writeUInt32BE(SIZE, 0);
header.writeUInt32BE(SIZE, 4);
header.set([8, 6, 0, 0, 0], 8);
const png = Buffer.concat([
  Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
  chunk("IHDR", header),
  chunk("IDAT", deflateSync(Buffer.from(raw), { level: 9 })),
  chunk("IEND", Buffer.alloc(0)),
]);
writeFileSync(new URL("icon.png", import.meta.url), png);

// In file lists it is small and stands on either background: no card, and no white.
const hex = (color) => `#${color.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
const under = (y) => `M20 ${y}L64 ${y + 24}L108 ${y}V${y + 11}L64 ${y + 35}L20 ${y + 11}Z`;
const shapes = [
  `<path d="${under(82)}" fill="${hex(layers[0].color)}"/>`,
  `<path d="${under(62)}" fill="${hex(layers[1].color)}"/>`,
  `<path d="M64 18L108 42L64 66L20 42Z" fill="#78909c"/>`,
];
writeFileSync(
  new URL("language.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">${shapes.join("")}</svg>\n`,
);

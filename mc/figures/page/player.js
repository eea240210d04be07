// The moving parts of a report: ions on a canvas beside the trace of the potential, profiles and maps against time.
// Everything follows one clock. What is shown is in the page itself; nothing is loaded.
"use strict";

const ABSENT = 65535;
const SECONDS_FOR_ALL = 24; // of wall time at normal speed
const GOLDEN_RATIO = 0.6180339887; // its multiples are spread evenly

// --- what is packed in the page ---

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.block), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const kinds = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };
  const arrays = {};
  for (const [name, { type, shape, offset }] of Object.entries(packed.arrays)) {
    const size = shape.reduce((product, length) => product * length, 1);
    arrays[name] = new kinds[type](buffer, offset, size);
    arrays[name].shape = shape;
  }
  return arrays;
}

// Differences from frame to frame were folded to unsigned numbers, 0, -1, 1, -2 ... to 0, 1, 2, 3 ..., in two bytes.
function undoDifferences(low, high) {
  const [frames, ions] = low.shape;
  const levels = new Uint16Array(low.length);
  for (let i = 0; i < low.length; i++) {
    const folded = low[i] | (high[i] << 8);
    const difference = (folded >>> 1) ^ -(folded & 1);
    levels[i] = (i < ions ? 0 : levels[i - ions]) + difference;
  }
  levels.shape = [frames, ions];
  return levels;
}

function readData(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
}

// --- colours that follow the page ---

function resolve(colour) {
  const name = /^var\((--[\w-]+)\)$/.exec(colour);
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name[1]).trim() : colour;
}

// Red, green and blue of #RRGGBB.
const channelsOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

const ink = () => resolve("var(--c-000000)");
const faint = () => resolve("var(--c-7f7f7f)");
const paper = () => resolve("var(--c-ffffff)");
const pale = () => resolve("var(--c-d9d9d9)");

// --- the clock ---

class Clock {
  constructor(times) {
    this.start = times[0];
    this.end = times[times.length - 1];
    this.time = this.start;
    this.speed = 1;
    this.isPlaying = false;
    this.listeners = [];
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  seek(time) {
    this.time = Math.min(Math.max(time, this.start), this.end);
    this.tell();
  }

  toggle() {
    this.isPlaying = !this.isPlaying;
    if (this.isPlaying) {
      if (this.time >= this.end) this.time = this.start;
      this.last = performance.now();
      requestAnimationFrame((now) => this.tick(now));
    }
    this.tell();
  }

  tick(now) {
    if (!this.isPlaying) return;
    const passed = Math.min(Math.max(now - this.last, 0), 250) / 1000;
    this.last = now;
    this.time += (passed * this.speed * (this.end - this.start)) / SECONDS_FOR_ALL;
    if (this.time >= this.end) {
      this.time = this.end;
      this.isPlaying = false;
    }
    this.tell();
    if (this.isPlaying) requestAnimationFrame((next) => this.tick(next));
  }
}

// The last index whose time is not after `time`, and how far on the way to the next.
function between(times, time) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time) low = middle;
    else high = middle - 1;
  }
  if (low === times.length - 1) return [low, 0];
  return [low, Math.min(Math.max((time - times[low]) / (times[low + 1] - times[low]), 0), 1)];
}

function timeDecimals(clock) {
  return Math.max(0, 3 - Math.ceil(Math.log10(Math.max(clock.end - clock.start, 1e-9))));
}

// --- canvases as sharp as the screen ---

function fit(canvas, height) {
  const width = Math.max(canvas.parentElement.clientWidth, 1);
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height, ratio };
}

function layer(view) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(view.width * view.ratio);
  canvas.height = Math.round(view.height * view.ratio);
  const context = canvas.getContext("2d");
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  return [canvas, context];
}

// --- the ions ---

class Cells {
  constructor(scene, arrays, canvas, ions, tooltip, clock) {
    Object.assign(this, { scene, arrays, canvas, ions, tooltip, clock });
    this.x = undoDifferences(arrays.x_low, arrays.x_high);
    this.y = undoDifferences(arrays.y_low, arrays.y_high);
    this.isShown = scene.species.map(() => true);
    this.ionsOf = scene.species.map(() => []);
    arrays.species.forEach((species, ion) => this.ionsOf[species].push(ion));
    // The rare ones last, so that the common ones do not hide them.
    this.order = scene.species.map((_, i) => i).sort((a, b) => this.ionsOf[b].length - this.ionsOf[a].length);
    this.pointer = null;
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerdown", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.tooltip.hidden = true;
    });
    this.layOut();
  }

  layOut() {
    const { low, high, thickness, width } = this.scene.box;
    const available = this.canvas.parentElement.clientWidth;
    const height = Math.min(Math.max((available * (high - low)) / width, 250), 470);
    this.view = fit(this.canvas, height);
    // The slab is drawn high enough for its proteins, the baths share the rest.
    const slab = Math.max((height * thickness) / (high - low), 34);
    this.isStretched = slab > (1.2 * height * thickness) / (high - low);
    const perNanometre = (height - slab) / (high - low - thickness);
    this.inner = height + low * perNanometre; // the inner face, from the top
    this.outer = this.inner - slab;
    this.place = (x) =>
      x <= 0 ? this.inner - x * perNanometre
      : x >= thickness ? this.outer - (x - thickness) * perNanometre
      : this.inner - (slab * x) / thickness;
    const { levels } = this.scene;
    this.heightOf = new Float32Array(levels);
    this.sideOf = new Int8Array(levels);
    for (let level = 0; level < levels; level++) {
      const x = low + ((level + 0.5) * (high - low)) / levels;
      this.heightOf[level] = this.place(x);
      this.sideOf[level] = x < 0 ? -1 : x > thickness ? 1 : 0;
    }
    this.scale = this.view.width / width;
    this.drawBackground();
    this.prepareDots();
    this.draw();
  }

  drawBackground() {
    const [canvas, context] = layer(this.view);
    const { width, height } = this.view;
    // Beneath all, for edges between pixels would be half transparent and fill up from drawing to drawing.
    context.fillStyle = pale();
    context.fillRect(0, 0, width, height);
    context.fillStyle = resolve("var(--outside)");
    context.fillRect(0, 0, width, this.outer);
    context.fillStyle = resolve("var(--inside)");
    context.fillRect(0, this.inner, width, height - this.inner);
    context.fillStyle = resolve("var(--heads)");
    const heads = Math.floor(width / 7);
    for (let i = 0; i < heads; i++) {
      for (const y of [this.outer + 3, this.inner - 3]) {
        context.beginPath();
        context.arc(((i + 0.5) * width) / heads, y, 3, 0, 7);
        context.fill();
      }
    }
    this.background = canvas;
  }

  // Dots are written into the pixels themselves, which takes a tenth of the time of drawing each.
  prepareDots() {
    const { context, ratio } = fit(this.ions, this.view.height);
    this.pixels = context.createImageData(this.ions.width, this.ions.height);
    this.words = new Uint32Array(this.pixels.data.buffer);
    const radius = (this.view.width < 600 ? 1.7 : 2.3) * ratio;
    this.reach = Math.ceil(radius) + 1;
    // A disc for each quarter of a pixel that its middle may be at: offsets and how much of the pixel it covers.
    this.discs = [];
    for (let phase = 0; phase < 16; phase++) {
      const [left, top] = [(phase % 4) / 4, Math.floor(phase / 4) / 4];
      const offsets = [];
      const covers = [];
      for (let dy = -this.reach; dy <= this.reach; dy++) {
        for (let dx = -this.reach; dx <= this.reach; dx++) {
          const covered = Math.min(Math.max(radius + 0.5 - Math.hypot(dx - left, dy - top), 0), 1);
          if (covered > 0.04) {
            offsets.push(dy * this.ions.width + dx);
            covers.push(Math.round(255 * covered));
          }
        }
      }
      this.discs.push([Int32Array.from(offsets), Uint8Array.from(covers)]);
    }
    this.inks = this.scene.species.map((species) => {
      const [red, green, blue] = channelsOf(resolve(species.colour));
      return (blue << 16) | (green << 8) | red;
    });
  }

  dot(x, y, ink) {
    const { words, reach } = this;
    const { width, height } = this.ions;
    x = Math.min(Math.max(x, reach), width - reach - 1);
    y = Math.min(Math.max(y, reach), height - reach - 1);
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [offsets, covers] = this.discs[Math.floor(4 * (x - column)) + 4 * Math.floor(4 * (y - row))];
    const middle = row * width + column;
    for (let i = 0; i < offsets.length; i++) {
      const place = middle + offsets[i];
      // At its rim a dot gives way to one that covers more.
      if (covers[i] >= words[place] >>> 24) words[place] = (covers[i] << 24) | ink;
    }
  }

  draw() {
    const { context, width, height } = this.view;
    const [frame, share] = between(this.scene.time, this.clock.time);
    const nearest = share < 0.5 ? frame : frame + 1;
    this.frame = nearest;
    context.drawImage(this.background, 0, 0, width, height);
    this.drawChannels(nearest);
    this.drawPumps(frame, share);
    this.words.fill(0);
    for (const species of this.order) if (this.isShown[species]) this.drawIons(species, frame, share, nearest);
    this.ions.getContext("2d").putImageData(this.pixels, 0, 0);
    this.tellWhatIsPointedAt();
  }

  drawIons(species, frame, share, nearest) {
    const { ratio, width } = this.view;
    const ink = this.inks[species];
    const n = this.arrays.species.length;
    const next = Math.min(frame + 1, this.scene.time.length - 1);
    const { levels, planar } = this.scene;
    const moves = this.y.shape[0] > 1;
    const { glides } = this.scene;
    const { heightOf, sideOf, x, y } = this;
    const perLevel = (ratio * width) / levels;
    for (const ion of this.ionsOf[species]) {
      const a = x[frame * n + ion];
      const b = x[next * n + ion];
      // Frames far apart say nothing of the way between them: each ion is at its next place from a moment of its own on.
      const shown = glides ? nearest : share <= (ion * GOLDEN_RATIO) % 1 ? frame : next;
      const now = shown === frame ? a : b;
      if (now === ABSENT) continue;
      let height = heightOf[now];
      let across = y[(moves ? shown * n : 0) + ion];
      // An ion glides between two frames on one side of the membrane; it does not glide through it.
      if (glides && a !== ABSENT && b !== ABSENT && sideOf[a] === sideOf[b] && sideOf[a] !== 0) {
        height = heightOf[a] + share * (heightOf[b] - heightOf[a]);
        if (moves) {
          const from = y[frame * n + ion];
          let step = y[next * n + ion] - from;
          if (planar && step > levels / 2) step -= levels;
          else if (planar && step < -levels / 2) step += levels;
          across = (from + share * step + levels) % levels;
        }
      } else if (sideOf[now] === 0 && !planar) across = this.pore(species, across, shown);
      this.dot(perLevel * (across + 0.5), ratio * height, ink);
    }
  }

  // Where nothing along the membrane was tracked, an ion in a pore is put into the nearest that lets it through.
  pore(species, level, frame) {
    const { channel_place: places, channel_type: types, channel_open: open } = this.arrays;
    const { width } = this.scene.box;
    const y = (width * level) / this.scene.levels;
    let best = level;
    let least = Infinity;
    for (let i = 0; i < places.length; i++) {
      const passes = this.scene.channels[types[i]].passes[species];
      const away = Math.abs(places[i] - y) + (passes ? 0 : 2 * width) + (open[frame * places.length + i] ? 0 : width);
      if (away < least) [least, best] = [away, (places[i] / width) * this.scene.levels];
    }
    return best;
  }

  get halfWidth() {
    const n = this.arrays.channel_place.length + this.arrays.pump_place.length;
    return Math.min(Math.max((0.3 * this.view.width) / Math.max(n, 1), 3), 11);
  }

  drawChannels(frame) {
    const { context } = this.view;
    const { channel_place: places, channel_type: types, channel_open: open } = this.arrays;
    const half = this.halfWidth;
    const top = this.outer - 4;
    const height = this.inner - this.outer + 8;
    for (let i = 0; i < places.length; i++) {
      const x = places[i] * this.scale;
      context.fillStyle = resolve(this.scene.channels[types[i]].colour);
      context.fillRect(x - half, top, 2 * half, height);
      context.fillStyle = paper();
      const isOpen = open[frame * places.length + i];
      // A closed pore is a slit that the gate at its inner end blocks.
      context.fillRect(x - 0.42 * half, top, 0.84 * half, isOpen ? height : 0.6 * height);
    }
  }

  drawPumps(frame, share) {
    const { context } = this.view;
    const { pump_place: places, pump_turns: turns } = this.arrays;
    const middle = (this.inner + this.outer) / 2;
    const radius = Math.min((this.inner - this.outer) / 2 + 2, Math.max(this.halfWidth * 1.3, 9));
    const next = Math.min(frame + 1, this.scene.time.length - 1);
    for (let i = 0; i < places.length; i++) {
      const x = places[i] * this.scale;
      const before = turns[frame * places.length + i];
      const angle = ((2 * Math.PI) / 3) * (before + share * (turns[next * places.length + i] - before));
      context.fillStyle = ink();
      context.beginPath();
      context.arc(x, middle, radius, 0, 7);
      context.fill();
      context.strokeStyle = paper();
      context.lineWidth = 2.2;
      context.beginPath();
      for (let blade = 0; blade < 3; blade++) {
        const direction = angle + (blade * 2 * Math.PI) / 3;
        context.moveTo(x, middle);
        context.lineTo(x + 0.72 * radius * Math.sin(direction), middle - 0.72 * radius * Math.cos(direction));
      }
      context.stroke();
    }
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    this.pointer = [event.clientX - box.left, event.clientY - box.top];
    this.tellWhatIsPointedAt();
  }

  tellWhatIsPointedAt() {
    if (!this.pointer) return;
    const [x, y] = this.pointer;
    const found = y > this.outer - 16 && y < this.inner + 16 ? this.protein(x) : null;
    this.tooltip.hidden = !found;
    if (!found) return;
    this.tooltip.textContent = found.text;
    const room = this.view.width - this.tooltip.offsetWidth;
    this.tooltip.style.left = `${Math.min(Math.max(found.x - this.tooltip.offsetWidth / 2, 0), room)}px`;
    this.tooltip.style.top = `${this.inner + 14}px`;
  }

  protein(x) {
    const { arrays, scene, frame } = this;
    let least = this.halfWidth + 5;
    let found = null;
    arrays.channel_place.forEach((place, i) => {
      const away = Math.abs(place * this.scale - x);
      if (away >= least) return;
      least = away;
      const type = arrays.channel_type[i];
      const { name, count } = scene.channels[type];
      const state = arrays.channel_open[frame * arrays.channel_place.length + i] ? "open" : "closed";
      const open = arrays.open_of_type[frame * scene.channels.length + type];
      const text = count > 1 ? `${name} ${arrays.channel_number[i]}: ${state} (${open.toFixed(0)} of ${count} open)` : `${name}: ${state}`;
      found = { text, x: place * this.scale };
    });
    arrays.pump_place.forEach((place, i) => {
      const away = Math.abs(place * this.scale - x);
      if (away >= Math.max(least, 9)) return;
      least = away;
      const type = arrays.pump_type[i];
      const cycles = arrays.cycles_of_type[frame * scene.pumps.length + type];
      const { name, count } = scene.pumps[type];
      found = { text: `${name}: all ${count} together have made ${cycles.toFixed(0)} cycles`, x: place * this.scale };
    });
    return found;
  }
}

// --- axes ---

function niceTicks(low, high, most) {
  const rough = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) ticks.push(tick);
  return ticks.map((tick) => (Math.abs(tick) < 1e-9 * step ? 0 : tick));
}

function decadeTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 1.0001; power++) {
    // Within a decade or two the numbers between have room as well.
    for (const factor of high / low < 100 ? [1, 2, 5] : [1]) ticks.push(factor * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low * 0.9999 && tick <= high * 1.0001);
}

const show = (value) =>
  (Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(0) : String(+value.toPrecision(6))).replace("-", "\u2212");

class Axes {
  constructor(context, { left, top, width, height, x, y, isLog = false, xLabel = "", yLabel = "" }) {
    Object.assign(this, { context, left, top, width, height, isLog });
    this.xRange = x;
    this.yRange = y;
    const scaled = (value) => (isLog ? Math.log10(Math.max(value, y[0] / 10)) : value);
    this.px = (value) => left + (width * (value - x[0])) / (x[1] - x[0]);
    this.py = (value) => top + height * (1 - (scaled(value) - scaled(y[0])) / (scaled(y[1]) - scaled(y[0])));
    this.frame(xLabel, yLabel);
  }

  frame(xLabel, yLabel) {
    const { context, left, top, width, height } = this;
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = context.strokeStyle = ink();
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(left, top);
    context.lineTo(left, top + height);
    context.lineTo(left + width, top + height);
    context.textAlign = "right";
    context.textBaseline = "middle";
    const ticks = this.isLog ? decadeTicks(...this.yRange) : niceTicks(...this.yRange, Math.max(height / 30, 2));
    for (const tick of ticks) {
      const y = this.py(tick);
      context.moveTo(left, y);
      context.lineTo(left - 4, y);
      context.fillText(show(tick), left - 7, y);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const tick of niceTicks(...this.xRange, Math.max(width / 80, 2))) {
      const x = this.px(tick);
      context.moveTo(x, top + height);
      context.lineTo(x, top + height + 4);
      if (xLabel) context.fillText(show(tick), x, top + height + 7);
    }
    context.stroke();
    if (xLabel) context.fillText(xLabel, left + width / 2, top + height + 22);
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    context.fillText(yLabel, Math.max(left - 42, 4), top - 8);
  }

  clip(draw) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(this.left, this.top - 2, this.width, this.height + 4);
    context.clip();
    draw();
    context.restore();
  }

  line(xs, ys, colour, { width = 1.5, dash = [], last = xs.length } = {}) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.setLineDash(dash);
    context.beginPath();
    let isDown = false;
    for (let i = 0; i < last; i++) {
      if (!Number.isFinite(ys[i])) {
        isDown = false;
        continue;
      }
      if (isDown) context.lineTo(this.px(xs[i]), this.py(ys[i]));
      else context.moveTo(this.px(xs[i]), this.py(ys[i]));
      isDown = true;
    }
    context.stroke();
    context.setLineDash([]);
  }
}

function range(...arrays) {
  let [low, high] = [Infinity, -Infinity];
  for (const array of arrays) {
    for (const value of array) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

// --- the trace of the potential ---

class Trace {
  constructor(scene, arrays, canvas, clock) {
    Object.assign(this, { scene, arrays, canvas, clock });
    const seek = (event) => {
      if (event.type === "pointermove" && !(event.buttons & 1)) return;
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left - this.axes.left) / this.axes.width;
      clock.seek(share * this.axes.xRange[1]);
    };
    canvas.addEventListener("pointerdown", seek);
    canvas.addEventListener("pointermove", seek);
    this.layOut();
  }

  layOut() {
    this.view = fit(this.canvas, 200);
    const { trace_time: time, trace_potential: potential, trace_command: command } = this.arrays;
    this.predictions = this.scene.predictions.map(({ name, array, colour }, i) => (
      { name, potential: this.arrays[array], colour: resolve(colour), dash: [[6, 4], [2, 2]][i] }
    ));
    // Ions that were placed at random screen one another only from the first step on.
    const [low, high] = range([0], potential.subarray(1), command, ...this.predictions.map((one) => one.potential));
    const margin = Math.max(0.06 * (high - low), 2);
    const [canvas, context] = layer(this.view);
    const top = this.view.width < 480 && this.predictions.length > 1 ? 58 : 40; // a second line of numbers
    this.axes = new Axes(context, {
      left: 48, top, width: this.view.width - 62, height: this.view.height - top - 42,
      x: [0, time[time.length - 1]], y: [low - margin, high + margin],
      xLabel: `time (${this.scene.timeUnit})`, yLabel: "membrane potential (mV)",
    });
    this.axes.clip(() => {
      this.axes.line(time, command, faint(), { dash: [2, 3] });
      context.globalAlpha = 0.3;
      this.axes.line(time, potential, ink(), { width: 1 });
      context.globalAlpha = 1;
      for (const { potential: predicted, colour, dash } of this.predictions) this.axes.line(time, predicted, colour, { dash });
    });
    this.background = canvas;
    this.draw();
  }

  draw() {
    const { context, width, height } = this.view;
    const { trace_time: time, trace_potential: potential } = this.arrays;
    context.clearRect(0, 0, width, height);
    context.drawImage(this.background, 0, 0, width, height);
    const axes = this.axes;
    axes.context = context;
    const [record] = between(time, this.clock.time);
    axes.clip(() => axes.line(time, potential, ink(), { width: 1.4, last: record + 1 }));
    const x = axes.px(this.clock.time);
    context.strokeStyle = faint();
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, axes.top);
    context.lineTo(x, axes.top + axes.height);
    context.stroke();
    context.fillStyle = ink();
    context.beginPath();
    context.arc(axes.px(time[record]), axes.py(potential[record]), 4, 0, 7);
    context.fill();
    this.writeNumbers(record);
  }

  // The numbers of the moment, in the colours of their lines, on as many lines as they need.
  writeNumbers(record) {
    const { context, width } = this.view;
    context.font = "600 13px system-ui, sans-serif";
    context.textAlign = "left";
    let [left, top] = [4, 14];
    const numbers = [{ name: "simulated", potential: this.arrays.trace_potential, colour: ink() }, ...this.predictions];
    for (const { name, potential, colour } of numbers) {
      if (!Number.isFinite(potential[record])) continue;
      const text = `${name} ${potential[record].toFixed(1).replace("-", "\u2212")} mV`;
      const wide = context.measureText(text).width;
      if (left > 4 && left + wide > width) [left, top] = [4, top + 17];
      context.fillStyle = colour;
      context.fillText(text, left, top);
      left += wide + 18;
    }
  }
}

// --- profiles along x ---

class Profiles {
  constructor(profiles, arrays, canvas, clock, scaleBox) {
    Object.assign(this, { profiles, arrays, canvas, clock, scaleBox });
    this.x = { inside: centres(profiles.edges.inside), outside: centres(profiles.edges.outside) };
    this.isShown = profiles.species.map(() => true);
    scaleBox.addEventListener("change", () => this.layOut());
    this.layOut();
  }

  values(side, window, species) {
    const array = this.arrays[`concentration_${side}`];
    const [, n, bins] = array.shape;
    const start = (window * n + species) * bins;
    return array.subarray(start, start + bins);
  }

  layOut() {
    this.view = fit(this.canvas, 430);
    const isLog = this.scaleBox.checked;
    const { edges, nodes } = this.profiles;
    const all = [...this.arrays.concentration_inside, ...this.arrays.concentration_outside].filter((value) => value > 0);
    const [low, high] = range(all);
    const x = [edges.inside[0], edges.outside[edges.outside.length - 1]];
    const common = { left: 52, width: this.view.width - 66, x };
    this.potentialRange = range(this.arrays.potential, [0]);
    const margin = Math.max(0.06 * (this.potentialRange[1] - this.potentialRange[0]), 1);
    this.boxes = [
      { ...common, top: 26, height: 210, y: isLog ? [Math.max(high / 1e5, low / 3), high * 1.5] : [0, high * 1.05], isLog, yLabel: "concentration (mM)" },
      { ...common, top: 274, height: 108, y: [this.potentialRange[0] - margin, this.potentialRange[1] + margin], yLabel: "potential (mV)", xLabel: "x (nm), across the membrane" },
    ];
    this.nodes = nodes;
    this.draw();
  }

  draw() {
    const { context, width, height } = this.view;
    const { profiles } = this;
    context.clearRect(0, 0, width, height);
    let [window, share] = between(profiles.time, this.clock.time);
    // A window's time is its end.
    if (this.clock.time > profiles.time[window] && window < profiles.time.length - 1) window += 1;
    const [above, below] = this.boxes.map((box) => {
      context.fillStyle = pale();
      const scale = box.width / (box.x[1] - box.x[0]);
      context.fillRect(box.left - box.x[0] * scale, box.top, Math.max(profiles.thickness * scale, 1.5), box.height);
      return new Axes(context, box);
    });
    above.clip(() => {
      profiles.species.forEach((species, i) => {
        if (!this.isShown[i]) return;
        const colour = resolve(species.colour);
        for (const side of ["inside", "outside"]) {
          const values = this.values(side, window, i);
          if (profiles.counted) this.band(above, side, values, colour, window);
          above.line(this.x[side], this.values(side, 0, i), colour, { width: 1, dash: [2, 3] });
          above.line(this.x[side], values, colour, { width: 1.8 });
        }
      });
    });
    const { length } = this.nodes;
    const potential = (one) => this.arrays.potential.subarray(one * length, (one + 1) * length);
    below.line(this.nodes, potential(0), faint(), { width: 1, dash: [2, 3] });
    below.line(this.nodes, potential(window), ink(), { width: 1.8 });
  }

  // What counting the ions of a window leaves uncertain, one standard deviation.
  band(axes, side, values, colour, window) {
    const ionsPerMillimolar = this.profiles.volume[side].map((volume) => volume * 6.02214076e-4 * this.profiles.records[window]);
    const { context } = axes;
    context.globalAlpha = 0.18;
    context.fillStyle = colour;
    context.beginPath();
    const error = (i) => Math.sqrt(values[i] / ionsPerMillimolar[i]);
    values.forEach((value, i) => context.lineTo(axes.px(this.x[side][i]), axes.py(value + error(i))));
    for (let i = values.length - 1; i >= 0; i--) context.lineTo(axes.px(this.x[side][i]), axes.py(Math.max(values[i] - error(i), 0)));
    context.fill();
    context.globalAlpha = 1;
  }
}

const centres = (edges) => edges.slice(1).map((edge, i) => (edge + edges[i]) / 2);

// --- maps over the plane ---

class Maps {
  constructor(maps, arrays, canvas, clock, choice) {
    Object.assign(this, { maps, arrays, canvas, clock, choice });
    choice.addEventListener("change", () => this.draw());
    this.layOut();
  }

  layOut() {
    const { width, low, high } = this.maps.box;
    const available = this.canvas.parentElement.clientWidth - 60;
    this.view = fit(this.canvas, Math.min(Math.max((available * (high - low)) / width, 150), 420) + 62);
    this.draw();
  }

  draw() {
    const { context, width, height } = this.view;
    const { maps } = this;
    const quantity = maps.quantities[Number(this.choice.value)];
    let [window] = between(maps.time, this.clock.time);
    if (this.clock.time > maps.time[window] && window < maps.time.length - 1) window += 1;
    context.clearRect(0, 0, width, height);
    const axes = new Axes(context, {
      left: 52, top: 26, width: width - 66, height: height - 74, x: [0, maps.box.width], y: [maps.box.low, maps.box.high],
      xLabel: "y (nm), along the membrane", yLabel: "x (nm)",
    });
    for (const side of ["inside", "outside"]) {
      const values = this.arrays[`${quantity.key}_${side}`];
      const [, rows, columns] = values.shape;
      const picture = new ImageData(columns, rows);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const colour = quantity.colours[values[(window * rows + row) * columns + column]];
          picture.data.set(colour, 4 * ((rows - 1 - row) * columns + column));
        }
      }
      const small = document.createElement("canvas");
      small.width = columns;
      small.height = rows;
      small.getContext("2d").putImageData(picture, 0, 0);
      const [bottom, top] = maps.box[side].map(axes.py);
      context.imageSmoothingEnabled = false;
      context.drawImage(small, axes.left, top, axes.width, bottom - top);
    }
    context.fillStyle = pale();
    context.fillRect(axes.left, axes.py(maps.box.outside[0]), axes.width, axes.py(0) - axes.py(maps.box.outside[0]));
    for (const { y, colour } of maps.sites) {
      context.fillStyle = resolve(colour);
      context.beginPath();
      context.arc(axes.px(y), axes.py(maps.box.outside[0] / 2), 3, 0, 7);
      context.fill();
    }
    this.drawScale(quantity, width);
  }

  drawScale(quantity, width) {
    const { context } = this.view;
    const bar = Math.min(150, width * 0.3);
    const left = width - 14 - bar - 46;
    quantity.colours.forEach((colour, i) => {
      context.fillStyle = `rgb(${colour.slice(0, 3)})`;
      context.fillRect(left + (bar * i) / quantity.colours.length, 8, bar / quantity.colours.length + 0.5, 9);
    });
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = ink();
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.fillText(quantity.low, left - 5, 12);
    context.textAlign = "left";
    context.fillText(quantity.high, left + bar + 5, 12);
    context.textBaseline = "alphabetic";
  }
}

// --- the page ---

function linkSlider(slider, output, clock, unit) {
  const decimals = timeDecimals(clock);
  slider.max = "1000";
  slider.addEventListener("input", () => {
    clock.seek(clock.start + (Number(slider.value) / 1000) * (clock.end - clock.start));
  });
  const update = () => {
    slider.value = String(Math.round((1000 * (clock.time - clock.start)) / (clock.end - clock.start)));
    output.textContent = `${clock.time.toFixed(decimals)} ${unit}`;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  clock.onChange(update);
  update();
}

function makeChips(parent, species, isShown, redraw) {
  species.forEach((one, i) => {
    if (one.shown === 0) return;
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.setAttribute("aria-pressed", "true");
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.style.background = one.colour;
    chip.append(dot, one.label);
    chip.addEventListener("click", () => {
      isShown[i] = !isShown[i];
      chip.setAttribute("aria-pressed", String(isShown[i]));
      redraw();
    });
    parent.append(chip);
  });
}

function listenToKeys(section, clock, frames, speed, chips) {
  // Keys reach what has the focus: a click anywhere in the section gives it that.
  section.tabIndex = -1;
  section.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("button, input, select, a")) section.focus({ preventScroll: true });
  });
  section.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const isButton = event.target.tagName === "BUTTON";
    const step = (clock.end - clock.start) / Math.max(frames - 1, 1);
    const actions = {
      ArrowRight: () => clock.seek(clock.time + step),
      ArrowLeft: () => clock.seek(clock.time - step),
      Home: () => clock.seek(clock.start),
      End: () => clock.seek(clock.end),
      "+": () => changeSpeed(1),
      "-": () => changeSpeed(-1),
    };
    if (!isButton) actions[" "] = () => clock.toggle();
    const changeSpeed = (by) => {
      speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + by, 0), speed.options.length - 1);
      speed.dispatchEvent(new Event("change"));
    };
    const action = actions[event.key] ?? (/^[1-9]$/.test(event.key) && chips[event.key - 1] && (() => chips[event.key - 1].click()));
    if (!action) return;
    event.preventDefault();
    action();
  });
}

async function main() {
  const scene = readData("scene-data");
  const profiles = readData("profile-data");
  const maps = readData("map-data");
  const first = scene ?? profiles;
  if (!first) return;
  const clock = new Clock(first.time);
  const drawn = [];
  const element = (id) => document.getElementById(id);

  if (scene) {
    const arrays = await unpack(scene);
    const cells = new Cells(scene, arrays, element("cells"), element("ions"), element("tooltip"), clock);
    drawn.push(cells, new Trace(scene, arrays, element("trace"), clock));
    makeChips(element("species"), scene.species, cells.isShown, () => cells.draw());
    linkSlider(element("scrub"), element("moment"), clock, scene.timeUnit);
    const [play, speed] = [element("play"), element("speed")];
    play.addEventListener("click", () => clock.toggle());
    speed.addEventListener("change", () => (clock.speed = Number(speed.value)));
    clock.onChange(() => {
      play.setAttribute("aria-label", clock.isPlaying ? "pause" : "play");
      play.classList.toggle("playing", clock.isPlaying);
    });
    listenToKeys(element("player"), clock, scene.time.length, speed, [...element("species").children]);
    if (cells.isStretched) element("stretched").hidden = false;
  }
  if (profiles) {
    const chart = new Profiles(profiles, await unpack(profiles), element("profiles"), clock, element("log-scale"));
    drawn.push(chart);
    makeChips(element("profile-species"), profiles.species, chart.isShown, () => chart.draw());
    linkSlider(element("profile-scrub"), element("profile-moment"), clock, profiles.timeUnit);
  }
  if (maps) {
    drawn.push(new Maps(maps, await unpack(maps), element("maps"), clock, element("map-choice")));
    linkSlider(element("map-scrub"), element("map-moment"), clock, maps.timeUnit);
  }
  // What is out of sight is drawn when it comes into sight.
  const inSight = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const one = drawn.find(({ canvas }) => canvas === target);
      if (isIntersecting) inSight.add(one);
      else inSight.delete(one);
      if (isIntersecting) one.draw();
    }
  });
  drawn.forEach(({ canvas }) => watcher.observe(canvas));
  clock.onChange(() => inSight.forEach((one) => one.draw()));

  const layOut = () => drawn.forEach((one) => one.layOut());
  let width = document.body.clientWidth;
  addEventListener("resize", () => {
    if ([0, width].includes(document.body.clientWidth)) return;
    width = document.body.clientWidth;
    layOut();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", layOut);
  matchMedia("print").addEventListener("change", layOut);
  // Paper shows one moment: that at which the run had come farthest.
  addEventListener("beforeprint", () => {
    clock.seek(clock.end);
    drawn.forEach((one) => one.draw());
  });
  document.documentElement.dataset.ready = "true";
}

main().catch((error) => {
  document.documentElement.dataset.ready = "failed";
  for (const note of document.querySelectorAll(".needs-script")) note.hidden = false;
  throw error;
});

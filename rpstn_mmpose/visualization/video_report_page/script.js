(function () {
'use strict';
const root = document.documentElement;
const get = id => document.getElementById(id);
const data = JSON.parse(get('data').textContent);
const chart = get('chart'), overview = get('overview'), pick = get('track');
const video = get('video'), now = get('now');
const total = data.num_frames, fps = data.fps;
const byId = new Map(data.tracks.map(track => [track.id, track]));
/* When a frame begins, seconds; a rate may vary. */
const start = f => data.times ? data.times[f] : f / fps;
const end = f => f + 1 < total ? start(f + 1) : start(f) + 1 / fps;
let frame = 0, current = null, plot = null, heads = [], readouts = [];

function node(parent, tag, attributes, text) {
  const item = document.createElementNS(parent.namespaceURI, tag);
  for (const key in attributes) item.setAttribute(key, attributes[key]);
  if (text !== undefined) item.textContent = text;
  return parent.appendChild(item);
}

function clear(item) { while (item.firstChild) item.firstChild.remove(); }

/* The last frame that has begun, to a tick of the file's clock. */
function frameAt(time) {
  let low = 0, high = total;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (start(middle) <= time + 1e-4) low = middle; else high = middle;
  }
  return low;
}

/* Scores come for the frames of the runs only. */
data.tracks.forEach(track => {
  track.place = new Map();
  let count = 0;
  track.runs.forEach(run => {
    for (let f = run[0]; f <= run[1]; f++) track.place.set(f, count++);
  });
  track.first = track.runs[0][0];
  track.last = track.runs[track.runs.length - 1][1];
});

function value(track, joint, f) {
  const row = track.place.get(f);
  return row === undefined ? null : track.scores[joint][row];
}

function isLow(track, joint, f) {
  const v = value(track, joint, f), limit = track.limits[joint];
  return v !== null && limit !== null && v < limit;
}

/* Frames of a range as [first, last] where a test holds. */
function runsOf(first, last, test) {
  const runs = [];
  for (let f = first; f <= last; f++) {
    if (!test(f)) continue;
    const run = runs[runs.length - 1];
    if (run && run[1] === f - 1) run[1] = f; else runs.push([f, f]);
  }
  return runs;
}

/* x(f) is the left edge of frame f; a frame is as wide as its time. */
function scale(left, width, first, last) {
  const step = width / (last - first + 1);
  return {
    first: first, last: last, left: left, width: width,
    x: f => left + (f - first) * step,
    frame: x => Math.max(first, Math.min(
      last, first + Math.floor((x - left) / step)))
  };
}

function boxes(runs, s, top, height) {
  let text = '';
  runs.forEach(run => {
    const a = Math.max(run[0], s.first), b = Math.min(run[1], s.last);
    if (a > b) return;
    /* Narrower than a pixel would not be seen. */
    const w = Math.max(1, s.x(b + 1) - s.x(a));
    text += 'M' + s.x(a).toFixed(2) + ' ' + top + 'h' + w.toFixed(2) +
      'v' + height + 'h-' + w.toFixed(2) + 'z';
  });
  return text;
}

function ticks(svg, s, y) {
  const wanted = s.width / 55, span = s.last - s.first + 1;
  let step = 1;
  for (let k = 0; span / step > wanted; k++) step *= [2, 2.5, 2][k % 3];
  step = Math.round(step);
  for (let f = Math.ceil(s.first / step) * step; f <= s.last; f += step) {
    const x = s.x(f + 0.5);
    node(svg, 'path', {class: 'base', d: 'M' + x + ' ' + (y - 4) + 'v4'});
    node(svg, 'text',
      {class: 'tick', x: x, y: y + 12, 'text-anchor': 'middle'}, f);
  }
}

/* A line that breaks where nothing is known; where several frames share a
   pixel, from the lowest to the highest of them. */
function curve(track, joint, s, y) {
  let text = '', pen = false;
  const each = Math.max(1, Math.floor((s.last - s.first + 1) / s.width));
  for (let f = s.first; f <= s.last; f += each) {
    let low = Infinity, high = -Infinity;
    for (let g = f; g < f + each && g <= s.last; g++) {
      const v = value(track, joint, g);
      if (v === null) continue;
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
    if (low === Infinity) { pen = false; continue; }
    const x = s.x(f + each / 2).toFixed(2);
    /* A frame alone is a dash, since a point has no length. */
    text += (pen ? 'L' : 'M') + x + ' ' + y(low).toFixed(2) +
      (pen ? '' : 'h0.1');
    if (high > low) text += 'L' + x + ' ' + y(high).toFixed(2);
    pen = true;
  }
  return text;
}

function sized(svg, height) {
  clear(svg);
  const width = Math.max(240, svg.parentNode.clientWidth);
  svg.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
  svg.style.height = height + 'px';
  return width;
}

function shorten(svg, name, x, y, room, attributes) {
  const fits = Math.max(3, Math.floor(room / 6.6));
  const text = name.length > fits ? name.slice(0, fits - 1) + '\u2026' : name;
  const item = node(svg, 'text', Object.assign({x: x, y: y}, attributes),
    text);
  if (text !== name) node(item, 'title', {}, name);
  return item;
}

function drawOverview() {
  const row = 20, height = data.tracks.length * row + 22;
  const width = sized(overview, height), label = 46;
  const s = overview.scale = scale(label, width - label - 8, 0, total - 1);
  data.tracks.forEach((track, i) => {
    const top = i * row + 3;
    node(overview, 'text', {x: 2, y: top + 11,
      class: track === current ? 'strong' : ''}, track.id);
    node(overview, 'path', {class: 'away',
      d: boxes([[0, total - 1]], s, top, 14)});
    node(overview, 'path', {class: 'here', 'data-track': track.id,
      d: boxes(track.runs, s, top, 14)});
    node(overview, 'path', {class: 'low', d: boxes(track.low, s, top, 14)});
  });
  node(overview, 'path', {class: 'bad',
    d: boxes(data.damaged, s, 0, data.tracks.length * row)});
  ticks(overview, s, height - 14);
  overview.head = node(overview, 'path', {class: 'head'});
}

function drawChart() {
  readouts = [];
  const count = data.joints.length;
  const row = Math.max(15, Math.min(38, Math.round(620 / count)));
  const height = count * row + 22, width = sized(chart, height);
  const longest = Math.max.apply(null, data.joints.map(n => n.length));
  const label = Math.min(longest * 6.8 + 8, width * 0.34), right = 46;
  const s = chart.scale = scale(label, width - label - right,
    current.first, current.last);
  const low = data.score_range[0], high = data.score_range[1];
  const away = runsOf(current.first, current.last,
    f => !current.place.has(f));
  node(chart, 'path', {class: 'away', d: boxes(away, s, 0, count * row)});
  data.joints.forEach((name, k) => {
    const top = k * row, bottom = top + row - 3;
    const y = v => bottom - (v - low) / (high - low) * (row - 6);
    const low_runs = runsOf(current.first, current.last,
      f => isLow(current, k, f));
    node(chart, 'path', {class: 'low', d: boxes(low_runs, s, top, row)});
    node(chart, 'path', {class: 'base',
      d: 'M' + label + ' ' + (top + row) + 'h' + s.width});
    if (current.limits[k] !== null) {
      node(chart, 'path', {class: 'limit',
        d: 'M' + label + ' ' + y(current.limits[k]) + 'h' + s.width});
    }
    const line = node(chart, 'path', {class: 'curve',
      d: curve(current, k, s, y)});
    node(line, 'title', {}, name);
    shorten(chart, name, 2, top + row / 2 + 4, label - 6, {});
    readouts.push(node(chart, 'text', {x: width - 2, y: top + row / 2 + 4,
      'text-anchor': 'end'}));
  });
  node(chart, 'path', {class: 'bad',
    d: boxes(data.damaged, s, 0, count * row)});
  ticks(chart, s, height - 14);
  chart.head = node(chart, 'path', {class: 'head'});
}

function show() {
  [overview, chart].forEach(svg => {
    if (!svg || !svg.scale) return;
    const s = svg.scale, bottom = svg.viewBox.baseVal.height - 18;
    const inside = frame >= s.first && frame <= s.last;
    svg.head.setAttribute('d', inside ?
      'M' + s.x(frame + 0.5) + ' 0V' + bottom : '');
  });
  readouts.forEach((item, k) => {
    const v = value(current, k, frame);
    item.textContent = v === null ? '\u2013' : v.toFixed(2);
    item.setAttribute('class', isLow(current, k, frame) ? 'strong' : '');
  });
  const damaged = data.damaged.some(r => r[0] <= frame && frame <= r[1]);
  now.textContent = 'frame ' + frame + ' of 0 to ' + (total - 1) + ', ' +
    start(frame).toFixed(2) + ' s' + (damaged ? ', damaged' : '');
  root.dataset.frame = frame;
}

function go(f, seek) {
  frame = Math.max(0, Math.min(total - 1, f));
  /* The middle of its time: the edge may still show the one before. */
  if (seek && video) video.currentTime = (start(frame) + end(frame)) / 2;
  show();
}

function choose(id) {
  if (!byId.has(id)) return;
  current = byId.get(id);
  pick.value = String(id);
  root.dataset.track = id;
  document.querySelectorAll('tr[data-track]').forEach(line => {
    line.className = line.dataset.track === String(id) ? 'chosen' : '';
  });
  drawOverview();
  drawChart();
  show();
}

function follow(hash) {
  const track = /[#&]track=(\d+)/.exec(hash);
  const f = /[#&]frame=(\d+)/.exec(hash);
  if (track) choose(Number(track[1]));
  if (f) go(Number(f[1]), true);
}

function place(svg, event) {
  const box = svg.getBoundingClientRect();
  const factor = svg.viewBox.baseVal.width / box.width;
  return [(event.clientX - box.left) * factor,
    (event.clientY - box.top) * factor];
}

if (data.tracks.length) {
  const [low, high] = data.score_range;
  get('range').textContent = 'Every row runs from ' + low + ' to ' + high +
    '.';
  chart.addEventListener('click', event => {
    go(chart.scale.frame(place(chart, event)[0]), true);
  });
  overview.addEventListener('click', event => {
    const at = place(overview, event);
    const track = data.tracks[Math.floor(at[1] / 20)];
    if (track) choose(track.id);
    go(overview.scale.frame(at[0]), true);
  });
  [chart, overview].forEach(svg => {
    svg.addEventListener('keydown', event => {
      const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!step) return;
      event.preventDefault();
      go(frame + step * (event.shiftKey ? 10 : 1), true);
    });
  });
  pick.addEventListener('change', () => {
    choose(Number(pick.value));
    if (frame < current.first || frame > current.last) {
      go(current.first, true);
    }
  });
  let width = 0;
  new ResizeObserver(() => {
    const seen = chart.parentNode.clientWidth;
    if (seen === width) return;
    width = seen;
    drawOverview();
    drawChart();
    show();
  }).observe(chart.parentNode);
  choose(data.tracks[0].id);
}
if (video) {
  const read = () => go(frameAt(video.currentTime), false);
  const loop = () => {
    read();
    if (!video.paused && !video.ended) requestAnimationFrame(loop);
  };
  video.addEventListener('play', loop);
  video.addEventListener('seeked', read);
  video.addEventListener('timeupdate', read);
  video.addEventListener('loadedmetadata', () => {
    root.dataset.video = video.videoWidth + 'x' + video.videoHeight;
  });
  video.addEventListener('error', () => {
    root.dataset.video = 'error';
    get('broken').hidden = false;
  });
}
document.addEventListener('click', event => {
  const link = event.target.closest('a[href^="#"]');
  if (link) follow(link.hash);
});
window.addEventListener('hashchange', () => follow(location.hash));
show();
follow(location.hash);
root.dataset.ready = 'yes';
})();

# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The page of :mod:`.video_report`: its style, its script, its template."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --card: #f5f6f8; --text: #1c2126; --dim: #5b6570;
  --rule: #d4d9df; --line: #0b62a8; --low: #f0a63a; --bad: #d0342c;
  --away: #e4e7eb; --head: #c2185b; --link: #0b62a8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1d2125; --text: #e6e9ec; --dim: #a0a9b2;
    --rule: #363d44; --line: #6cb6f5; --low: #b9791c; --bad: #ff6f66;
    --away: #2a2f35; --head: #ff7eb0; --link: #7fbdf5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 16px 20px 40px; max-width: 1400px;
  background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 22px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 8px; }
p { margin: 0 0 8px; max-width: 80ch; }
a { color: var(--link); }
code { overflow-wrap: anywhere; }
.dim { color: var(--dim); }
.note { border-left: 3px solid var(--low); padding-left: 10px; }
.columns {
  display: grid; gap: 16px; align-items: start; margin-top: 14px;
  grid-template-columns: minmax(0, 5fr) minmax(0, 6fr);
}
section {
  background: var(--card); border-radius: 8px; padding: 14px 16px;
  min-width: 0; margin-bottom: 16px;
}
#player { position: sticky; top: 8px; z-index: 2; margin: 0; }
video { display: block; width: 100%; max-height: 62vh; background: #000; }
img { display: block; max-width: 100%; background: #fff; }
.wide { overflow-x: auto; }
.wide img { min-width: 760px; width: 100%; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td {
  text-align: right; padding: 4px 8px; vertical-align: top;
  border-bottom: 1px solid var(--rule);
}
th { font-weight: 600; color: var(--dim); }
th:nth-child(2), td:nth-child(2), th:nth-child(n+5), td:nth-child(n+5) {
  text-align: left;
}
tr.chosen td { background: var(--away); }
.tall { max-height: 420px; overflow: auto; }
.bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
select { font: inherit; padding: 2px 6px; max-width: 100%; }
svg { display: block; width: 100%; touch-action: manipulation; }
svg text { font-size: 12px; fill: var(--text); }
svg .tick, svg .dim { fill: var(--dim); font-size: 11px; }
svg .curve { fill: none; stroke: var(--line); stroke-width: 1.4; }
svg .base { stroke: var(--rule); stroke-width: 1; fill: none; }
svg .limit { stroke: var(--dim); stroke-dasharray: 3 3; fill: none; }
svg .low { fill: var(--low); opacity: .55; }
#overview .low { opacity: 1; }
svg .bad { fill: var(--bad); opacity: .45; }
svg .away { fill: var(--away); }
svg .here { fill: var(--line); opacity: .75; }
svg .strong { font-weight: 700; }
svg .head { stroke: var(--head); stroke-width: 1.5; }
#chart, #overview { cursor: pointer; }
.key i {
  display: inline-block; width: 14px; height: 11px; margin-right: 5px;
}
.key .low { background: var(--low); opacity: .7; }
.key .bad { background: var(--bad); opacity: .6; }
.key .away { background: var(--away); }
.key .limit { height: 0; border-top: 2px dashed var(--dim);
  vertical-align: middle; }
@media (max-width: 860px) {
  body { padding: 10px 8px 30px; }
  .columns { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  section { padding: 10px; margin-bottom: 12px; }
  #player { top: 0; padding: 6px; }
  #player h2 { display: none; }
  video { max-height: 36vh; }
}
"""

# The namespace of SVG is read off the page: there is no address in here.
SCRIPT = """
(function () {
'use strict';
const root = document.documentElement;
const get = id => document.getElementById(id);
const data = JSON.parse(get('data').textContent);
const chart = get('chart'), overview = get('overview'), pick = get('track');
const video = get('video'), now = get('now');
const total = data.num_frames, fps = data.fps;
const byId = new Map(data.tracks.map(track => [track.id, track]));
let frame = 0, current = null, plot = null, heads = [], readouts = [];

function node(parent, tag, attributes, text) {
  const item = document.createElementNS(parent.namespaceURI, tag);
  for (const key in attributes) item.setAttribute(key, attributes[key]);
  if (text !== undefined) item.textContent = text;
  return parent.appendChild(item);
}

function clear(item) { while (item.firstChild) item.firstChild.remove(); }

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
  const text = name.length > fits ? name.slice(0, fits - 1) + '\\u2026' : name;
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
    item.textContent = v === null ? '\\u2013' : v.toFixed(2);
    item.setAttribute('class', isLow(current, k, frame) ? 'strong' : '');
  });
  const damaged = data.damaged.some(r => r[0] <= frame && frame <= r[1]);
  now.textContent = 'frame ' + frame + ' of 0 to ' + (total - 1) + ', ' +
    (frame / fps).toFixed(2) + ' s' + (damaged ? ', damaged' : '');
  root.dataset.frame = frame;
}

function go(f, seek) {
  frame = Math.max(0, Math.min(total - 1, f));
  /* The middle of its time: the edge may still show the one before. */
  if (seek && video) video.currentTime = (frame + 0.5) / fps;
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
  const track = /[#&]track=(\\d+)/.exec(hash);
  const f = /[#&]frame=(\\d+)/.exec(hash);
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
  const read = () => go(Math.floor(video.currentTime * fps + 1e-3), false);
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
"""

# Rendered with autoescape: every value is text unless marked otherwise.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<link rel="icon" href="data:,">
<title>{{ info.name }}: poses</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ info.name }}</h1>
<p class="dim">{{ info.num_frames }} frames
{%- if info.announced_frames and
       info.announced_frames != info.num_frames %} of
{{ info.announced_frames }} that the video announced
{%- endif %}, {{ info.width }} x {{ info.height }} pixels,
{{ '%g' | format(info.fps) }} frames a second,
{{ rows | length }} {{ 'track' if rows | length == 1 else 'tracks' }},
{{ joints | length }} joints{% if dataset %} of {{ dataset }}{% endif %}</p>
{% if untracked %}
<p class="note" id="untracked">Poses without a track id, which are left
out: {{ untracked }}.</p>
{% endif %}
<noscript><p class="note">The charts need JavaScript.</p></noscript>
<div class="columns">
<div id="player">
<section id="video-section">
<h2>Video</h2>
{% if video_src %}
<video id="video" controls muted playsinline preload="auto"
 src="{{ video_src }}"></video>
<p class="note" id="broken" hidden>The video cannot be played: it is
missing, or this browser does not know its codec.</p>
{% endif %}
{% if video_note %}<p class="note" id="video-note">{{ video_note }}</p>
{% endif %}
<p id="now" class="dim"></p>
</section>
</div>
<div>
<section id="people">
<h2>People over time</h2>
{% if rows %}
<div class="tall"><svg id="overview" tabindex="0" role="img"
 aria-label="When each person was there"></svg></div>
{% else %}
<p>Nobody was tracked in this video.</p>
{% endif %}
<p class="bar key"><span><i class="low"></i>estimated occluded</span>
<span><i class="away"></i>not there</span>
<span><i class="bad"></i>damaged frame</span></p>
<p id="damaged">
{%- if damaged %}Damaged frames, which show the one before and count for
nothing below:
{% for text, first in damaged %}<a href="#frame={{ first }}">{{ text }}</a>
{%- if not loop.last %}, {% endif %}{% endfor %}.
{%- else %}No frame is damaged.{% endif %}</p>
</section>
{% if rows %}
<section id="confidence">
<h2>Confidence of each joint</h2>
<div class="bar"><label>Person <select id="track">
{% for row in rows %}<option value="{{ row.track_id }}">{{ row.track_id }}
({{ row.seen }} frames)</option>
{% endfor %}</select></label>
<span class="dim" id="range"></span></div>
<div><svg id="chart" tabindex="0" role="img"
 aria-label="Confidence of each joint over time"></svg></div>
<p class="bar key"><span><i class="limit"></i>{{ '%g' | format(fraction) }}
of the joint's median</span><span><i class="low"></i>below: estimated
occluded</span></p>
<p class="dim">By frame number. Click to go to a frame; the arrow keys step
by one, with shift by ten. At the right: the confidence in the frame of the
video.</p>
</section>
{% endif %}
</div>
</div>
{% if rows %}
<section id="tracks">
<h2>Tracks</h2>
<div class="tall wide"><table>
<thead><tr><th>person</th><th>frames</th><th>number</th>
<th>mean confidence</th><th>estimated occluded</th>
<th>joints most often</th></tr></thead>
<tbody>
{% for row in rows %}
<tr data-track="{{ row.track_id }}">
<td><a href="#frame={{ row.first }}&amp;track={{ row.track_id }}">
{{- row.track_id }}</a></td>
<td>{{ row.runs }}</td>
<td>{{ row.seen }}{% if row.bridged %} (and {{ row.bridged }} damaged)
{%- endif %}</td>
<td>{{ row.mean }}</td>
<td>{{ row.low }}{% if row.low_runs %}: {{ row.low_runs }}{% endif %}</td>
<td>{{ row.joints }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="dim" id="estimate">A joint counts as occluded in the frames in
which its confidence is below {{ '%g' | format(fraction) }} of its own median
in that track, and a frame where one of its joints does. This is an
estimate from what the model believes: the video has no truth to tell
whether a joint was really hidden.</p>
</section>
{% endif %}
<section id="relation">
<h2>Correlation of the joints</h2>
{% if relation %}
<p>{{ relation.caption }}
<a href="#frame={{ relation.frame }}&amp;track={{ relation.track_id }}">Go to
that frame.</a></p>
<div class="wide"><img id="relation-image" src="{{ relation_src }}"
 alt="Correlation matrix and relational weights of the joints of person
{{ relation.track_id }} in frame {{ relation.frame }}"></div>
{% else %}
<p id="relation-how">To see the correlation matrix of a frame, run
<code>report.py OUT_DIR --video VIDEO --pose-config CONFIG --pose-checkpoint
CHECKPOINT --frame N --track ID</code> with a model that has a JRE.</p>
{% endif %}
</section>
{% if trajectories_src %}
<section id="trajectories">
<h2>Trajectories</h2>
<div class="wide"><img src="{{ trajectories_src }}"
 alt="Paths of the joints over time"></div>
</section>
{% endif %}
<script type="application/json" id="data">{{ data | tojson }}</script>
<script>{{ script }}</script>
</body>
</html>
"""

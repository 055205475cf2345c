(function () {
'use strict';
const root = document.documentElement;
const canvas = document.getElementById('view-3d');
if (!canvas) return;
const data = JSON.parse(document.getElementById('poses-3d').textContent);
const context = canvas.getContext('2d');
/* People stand beside each other: where they are is not known. */
const APART = 1200, EYE = 6000;
let turn = 0.5, tilt = 0.15, zoom = 1, fit = 1;

/* A place for each person, which is given on to who comes after they left. */
const places = new Map(), ends = [];
{
  const spans = new Map();
  Object.keys(data.poses).map(Number).sort((a, b) => a - b).forEach(f => {
    data.poses[f].forEach(pose => {
      spans.set(pose[0], [(spans.get(pose[0]) || [f])[0], f]);
    });
  });
  [...spans].sort((a, b) => a[1][0] - b[1][0] || a[0] - b[0]).forEach(
    ([id, [first, last]]) => {
      let place = ends.findIndex(end => end < first);
      if (place < 0) place = ends.length;
      ends[place] = last;
      places.set(id, place);
    });
}

/* Camera axes (right, down, away) as right, up, towards the viewer. */
function place(pose, k, shift, floor) {
  return [pose[3 * k + 1] + shift, floor - pose[3 * k + 2], -pose[3 * k + 3]];
}

function project(point, middle) {
  const x = point[0] - middle[0], z = point[2];
  const y = point[1] - middle[1];
  const u = x * Math.cos(turn) + z * Math.sin(turn);
  const w = z * Math.cos(turn) - x * Math.sin(turn);
  const v = y * Math.cos(tilt) - w * Math.sin(tilt);
  const depth = EYE - (w * Math.cos(tilt) + y * Math.sin(tilt));
  const size = zoom * fit / Math.max(depth, 500);
  return [canvas.width / 2 + u * size, canvas.height / 2 - v * size];
}

function line(a, b, middle, style, width) {
  const p = project(a, middle), q = project(b, middle);
  context.strokeStyle = style;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(p[0], p[1]);
  context.lineTo(q[0], q[1]);
  context.stroke();
}

function color(name) {
  return getComputedStyle(root).getPropertyValue('--' + name).trim();
}

/* The person's left is warm, the right cold, as in the drawn video. */
function sideOf(link) {
  const names = link.map(k => data.joints[k]);
  if (names.some(n => n.startsWith('left'))) return 'low';
  if (names.some(n => n.startsWith('right'))) return 'line';
  return 'text';
}

function draw() {
  const box = canvas.getBoundingClientRect();
  const dense = window.devicePixelRatio || 1;
  canvas.width = Math.max(200, box.width * dense);
  canvas.height = Math.max(150, box.height * dense);
  const people = data.poses[root.dataset.frame] || [];
  const count = ends.length, middle = [(count - 1) * APART / 2, 1000];
  const wide = APART * (count + 1);
  fit = Math.min(2.3 * canvas.height, EYE * canvas.width / wide);
  const left = -APART, right = count * APART;
  for (let x = left; x <= right; x += APART / 2) {
    line([x, 0, -APART], [x, 0, APART], middle, color('rule'), dense);
  }
  for (let z = -APART; z <= APART; z += APART / 2) {
    line([left, 0, z], [right, 0, z], middle, color('rule'), dense);
  }
  people.forEach(pose => {
    const shift = places.get(pose[0]) * APART;
    const ys = data.joints.map((_, k) => pose[3 * k + 2]);
    const floor = Math.max.apply(null, ys);  // the lowest joint stands on it
    const chosen = String(pose[0]) === root.dataset.track;
    data.links.forEach(link => {
      line(place(pose, link[0], shift, floor),
        place(pose, link[1], shift, floor), middle,
        color(sideOf(link)), (chosen ? 4 : 2) * dense);
    });
    const foot = project([shift, -160, 0], middle);
    context.fillStyle = color('text');
    context.font = 12 * dense + 'px sans-serif';
    context.fillText(pose[0], foot[0], foot[1]);
  });
  canvas.dataset.people = people.length;
}

let held = null;
canvas.addEventListener('pointerdown', event => {
  held = [event.clientX, event.clientY];
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener('pointermove', event => {
  if (!held) return;
  turn += (event.clientX - held[0]) * 0.01;
  tilt += (event.clientY - held[1]) * 0.01;
  tilt = Math.max(-1.5, Math.min(1.5, tilt));
  held = [event.clientX, event.clientY];
  draw();
});
['pointerup', 'pointercancel'].forEach(name => {
  canvas.addEventListener(name, () => { held = null; });
});
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  zoom = Math.max(0.3, Math.min(5, zoom * Math.exp(-event.deltaY * 0.001)));
  draw();
}, {passive: false});
canvas.addEventListener('keydown', event => {
  const step = {ArrowLeft: -0.1, ArrowRight: 0.1}[event.key];
  if (!step) return;
  event.preventDefault();
  turn += step;
  draw();
});
new MutationObserver(draw).observe(root,
  {attributes: true, attributeFilter: ['data-frame', 'data-track']});
new ResizeObserver(draw).observe(canvas);
draw();
})();

"use strict";
// A drawing as strokes, and the picture that it makes in a model's own size and range. Strokes are lists of points
// in a square from 0 to 1.

// Data sets of written digits hold each digit moved and scaled to a box, so a drawing is brought to the same box:
// small pictures (8x8) are filled from top to bottom, larger ones (MNIST, 28x28) have a margin of a seventh and
// their centre of mass in the middle. The pen is as thick, and the ink as much, as such data sets have it.
function boxFor(height, width) {
  if (Math.min(height, width) >= 20) {
    return { height: height * 5 / 7, width: width * 5 / 7, byMass: true, pen: () => height * 0.085 };
  }
  const ink = 0.305 * height * width;
  return {
    height, width: width * 7 / 8, byMass: false,
    pen: (length) => Math.min(Math.max(ink / Math.max(length, 1), height * 0.14), height * 0.25),
  };
}

function boundsOf(strokes) {
  const bounds = { left: 1, right: 0, top: 1, bottom: 0 };
  for (const [x, y] of strokes.flat()) {
    bounds.left = Math.min(bounds.left, x);
    bounds.right = Math.max(bounds.right, x);
    bounds.top = Math.min(bounds.top, y);
    bounds.bottom = Math.max(bounds.bottom, y);
  }
  return bounds;
}

function lengthOf(strokes) {
  let length = 0;
  for (const stroke of strokes) {
    for (let i = 1; i < stroke.length; ++i) {
      length += Math.hypot(stroke[i][0] - stroke[i - 1][0], stroke[i][1] - stroke[i - 1][1]);
    }
  }
  return length;
}

function traceStrokes(context, strokes, place) {
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach((point, i) => {
      const [x, y] = place(point);
      i === 0 ? context.moveTo(x, y) : context.lineTo(x, y);
    });
    if (stroke.length === 1) {
      context.lineTo(...place(stroke[0]).map((value) => value + 0.01));
    }
    context.stroke();
  }
}

// The mean brightness, 0 to 1, of each of height x width cells; dx and dy move the strokes, in cells.
function renderCells(strokes, height, width, pen, scale, centre, dx, dy) {
  const fine = 8;
  const canvas = document.createElement("canvas");
  canvas.width = width * fine;
  canvas.height = height * fine;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.strokeStyle = "#fff";
  context.lineWidth = pen * fine;
  traceStrokes(context, strokes, ([x, y]) =>
    [((x - centre[0]) * scale + width / 2 + dx) * fine, ((y - centre[1]) * scale + height / 2 + dy) * fine]);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const cells = new Array(height * width).fill(0);
  for (let y = 0; y < canvas.height; ++y) {
    for (let x = 0; x < canvas.width; ++x) {
      const cell = Math.floor(y / fine) * width + Math.floor(x / fine);
      cells[cell] += pixels[(y * canvas.width + x) * 4 + 3] / 255 / fine / fine;
    }
  }
  return cells;
}

// The values of a [1, height, width] picture in the range [least, most], row by row.
function pictureOf(strokes, height, width, [least, most]) {
  const bounds = boundsOf(strokes);
  const box = boxFor(height, width);
  const extent = [bounds.right - bounds.left, bounds.bottom - bounds.top];
  const drawn = lengthOf(strokes);
  // The pen's thickness depends on the length at the final scale, and the scale on the thickness: two rounds settle it.
  let pen = height * 0.14;
  let scale = 1;
  for (let round = 0; round < 3; ++round) {
    scale = Math.min((box.width - pen) / Math.max(extent[0], 0.02), (box.height - pen) / Math.max(extent[1], 0.02),
                     height * 8);
    pen = box.pen(drawn * scale);
  }
  const centre = [(bounds.left + bounds.right) / 2, (bounds.top + bounds.bottom) / 2];
  let cells = renderCells(strokes, height, width, pen, scale, centre, 0, 0);
  if (box.byMass) {
    let mass = 0, x = 0, y = 0;
    cells.forEach((value, i) => {
      mass += value;
      x += value * (i % width + 0.5);
      y += value * (Math.floor(i / width) + 0.5);
    });
    cells = renderCells(strokes, height, width, pen, scale, centre, width / 2 - x / mass, height / 2 - y / mass);
  }
  const whole = most - least > 2;  // grey levels are whole numbers
  return cells.map((cell) => {
    const value = least + Math.min(cell, 1) * (most - least);
    return whole ? Math.round(value) : value;
  });
}

// Lets a person draw on a canvas by mouse, touch, pen or keyboard. Calls onChange with the strokes.
function makeDrawingArea(canvas, onChange) {
  const context = canvas.getContext("2d");
  const step = 1 / 16;
  let strokes = [];
  let pen = { at: [0.5, 0.25], down: false, shown: false };  // the keyboard's
  let pointer = null;

  function show() {
    const size = canvas.width;
    context.clearRect(0, 0, size, size);
    context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--ink");
    context.lineWidth = size * 0.075;
    traceStrokes(context, strokes, ([x, y]) => [x * size, y * size]);
    if (pen.shown) {
      context.beginPath();
      context.arc(pen.at[0] * size, pen.at[1] * size, size * 0.03, 0, 2 * Math.PI);
      context.lineWidth = 4;
      context.strokeStyle = "#6aa9ff";
      context.fillStyle = "#6aa9ff";
      pen.down ? context.fill() : context.stroke();
    }
  }
  function changed() {
    show();
    onChange(strokes);
  }
  function clear() {
    strokes = [];
    pen.down = false;
    changed();
  }
  function pointOf(event) {
    const area = canvas.getBoundingClientRect();
    const within = (value) => Math.min(Math.max(value, 0), 1);
    return [within((event.clientX - area.left) / area.width), within((event.clientY - area.top) / area.height)];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button > 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    canvas.focus({ preventScroll: true, focusVisible: false });
    pen.shown = false;
    pen.down = false;
    strokes.push([pointOf(event)]);
    event.preventDefault();
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const one of passed.length > 0 ? passed : [event]) strokes.at(-1).push(pointOf(one));
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (moves[event.key]) {
      const [dx, dy] = moves[event.key];
      pen.at = [Math.min(Math.max(pen.at[0] + dx, 0), 1), Math.min(Math.max(pen.at[1] + dy, 0), 1)];
      if (pen.down) strokes.at(-1).push(pen.at);
    } else if (event.key === " " || event.key === "Enter") {
      pen.down = !pen.down;
      if (pen.down) strokes.push([pen.at]);
    } else if (["Delete", "Backspace", "Escape"].includes(event.key)) {
      clear();
    } else {
      return;
    }
    event.preventDefault();
    pen.shown = true;
    changed();
  });
  canvas.addEventListener("focus", () => {
    pen.shown = canvas.matches(":focus-visible");
    show();
  });
  canvas.addEventListener("blur", () => {
    pen.shown = false;
    pen.down = false;
    show();
  });
  show();
  return { clear };
}

function showPreview(canvas, values, height, width, [least, most]) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  values.forEach((value, i) => {
    const grey = Math.round(255 * (value - least) / (most - least));
    picture.data.set([grey, grey, grey, 255], i * 4);
  });
  context.putImageData(picture, 0, 0);
}

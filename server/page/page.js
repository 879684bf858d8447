const element = (id) => document.getElementById(id);
const mostBars = 12;
let model = null;
let values = () => null;  // what is to be sent now, or nothing
let asking = false;
let askAgain = false;

function say(text, isBad) {
  element("status").textContent = text;
  element("status").className = isBad ? "bad" : "";
}

function showNothing() {
  element("prediction").className = "empty";
  element("prediction").textContent = model && isDrawn(model) ? "Draw something." : "Fill in every field.";
  showScores(Object.fromEntries(model.labels.map((label) => [label, 0])), null);
  say("");
}

// How wide the bar of a value is, in percent, and how the value is written: a probability, a margin between the
// least and the largest of them, or a target, which has no bar.
function barOf(value, values) {
  if (model.task === "regression") return [0, shortNumber(value)];
  if (model.task !== "svm") return [100 * value, `${(100 * value).toFixed(1)} %`];
  const least = Math.min(...values);
  return [100 * (value - least) / (Math.max(...values) - least || 1), value.toFixed(2)];
}

function showScores(scores, best) {
  let entries = model.labels.filter((label) => label in scores).map((label) => [label, scores[label]]);
  if (entries.length > mostBars && model.task !== "regression") {
    entries = entries.sort((one, other) => other[1] - one[1]).slice(0, mostBars);
  }
  const values = entries.map(([, value]) => value);
  element("scores").replaceChildren(...entries.map(([label, value]) => {
    const row = document.createElement("li");
    const [name, track, text] = ["span", "span", "span"].map((tag) => document.createElement(tag));
    const bar = document.createElement("i");
    const [width, written] = barOf(value, values);
    name.className = "label";
    name.textContent = label;
    name.title = label;
    track.className = "track";
    bar.style.width = `${width}%`;
    track.append(bar);
    text.className = "share";
    text.textContent = best === null ? "" : written;
    row.className = label === best ? "best" : "";
    row.append(name, track, text);
    return row;
  }));
}

function showAnswer(answer, milliseconds) {
  const isRegression = model.task === "regression";
  const targets = isRegression ? [answer.prediction].flat() : [];
  const best = isRegression ? targets.map(shortNumber).join(", ") : String(answer.prediction);
  element("prediction").className = best.length > 4 ? "word" : "";
  element("prediction").textContent = best;
  showScores(isRegression ? Object.fromEntries(model.labels.map((label, i) => [label, targets[i]]))
    : answer.scores ?? answer.margins, best);
  say(`Version ${answer.version} answered in ${milliseconds.toFixed(1)} ms.`);
}

// One question at a time; when the input changed meanwhile, the newest follows.
async function ask() {
  if (asking) {
    askAgain = true;
    return;
  }
  const data = values();
  if (data === null) {
    showNothing();
    return;
  }
  asking = true;
  askAgain = false;
  try {
    const start = performance.now();
    const response = await fetch("predict", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ data }),
    });
    const answer = await response.json();
    const milliseconds = performance.now() - start;
    if (!response.ok) {
      say(answer.error, true);
    } else if (values() !== null) {
      if (answer.version !== model.version || answer.model !== model.model) await learnModel();
      showAnswer(answer, milliseconds);
    }
  } catch (failure) {
    say(`The server does not answer: ${failure.message}`, true);
  }
  asking = false;
  if (askAgain) ask();
}

function isDrawn(described) {
  return described.image && described.shape[0] === 1;
}

// Everything that the page's inputs depend on; when it stays the same, they keep what was put in.
function signatureOf(described) {
  const { task, image, shape, range, indices, columns, labels } = described;
  return JSON.stringify({ task, image, shape, range, indices, columns, labels });
}

async function learnModel() {
  const response = await fetch("model");
  const described = await response.json();
  if (!response.ok) throw new Error(described.error);
  useModel(described);
}

function useModel(described) {
  const isNew = model === null || signatureOf(described) !== signatureOf(model);
  model = described;
  document.title = `${model.model} · mlpipe`;
  element("name").textContent = model.model;
  element("version").textContent = `version ${model.version}`;
  element("infer").textContent = `/v2/models/${encodeURIComponent(model.model)}/infer`;
  if (isNew) buildInputs();
}

function buildInputs() {
  element("drawing").hidden = !isDrawn(model);
  element("form-section").hidden = isDrawn(model);
  if (isDrawn(model)) {
    const [, height, width] = model.shape;
    const blank = new Array(height * width).fill(model.range[0]);
    let picture = null;
    values = () => picture;
    const area = makeDrawingArea(element("canvas"), (strokes) => {
      picture = strokes.length > 0 ? pictureOf(strokes, height, width, model.range) : null;
      showPreview(element("preview"), picture ?? blank, height, width, model.range);
      ask();
    });
    element("clear").onclick = area.clear;
    showPreview(element("preview"), blank, height, width, model.range);
  } else if (model.columns.length > 0) {
    values = makeForm(element("form"), model.columns, model.indices !== undefined, ask);
  } else {
    values = makeNumberField(element("form"), model.shape.reduce((one, other) => one * other, 1), ask);
  }
}

// The server writes what it serves into the page, so that nothing has to be awaited before it can be used.
useModel(JSON.parse(element("model").textContent));
ask();

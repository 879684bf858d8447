const element = (id) => document.getElementById(id);
let model = null;
let question = () => null;  // what is to be sent now, { path, type, body }, or nothing
let feedback = null;
let asking = false;
let askAgain = false;

function say(text, isBad) {
  element("status").textContent = text;
  element("status").className = isBad ? "bad" : "";
}

function showNothing() {
  const image = isDrawn(model) ? "Draw something, or choose a picture." : "Choose a picture.";
  element("prediction").className = "empty";
  element("prediction").textContent = takesPictures(model) ? image : "Fill in every field.";
  showScores(Object.fromEntries(model.labels.map((label) => [label, 0])), null);
  say("");
  feedback.about(null);
}

// One question at a time; when the input changed meanwhile, the newest follows.
async function ask() {
  if (asking) {
    askAgain = true;
    return;
  }
  const asked = question();
  if (asked === null) {
    showNothing();
    return;
  }
  asking = true;
  askAgain = false;
  try {
    const start = performance.now();
    const response = await fetch(asked.path, {
      method: "POST", headers: { "Content-Type": asked.type }, body: asked.body,
    });
    const answer = await response.json();
    const milliseconds = performance.now() - start;
    if (!response.ok) {
      showNothing();
      element("prediction").textContent = "No answer.";
      say(answer.error, true);
    } else if (question() !== null) {
      if (answer.version !== model.version || answer.model !== model.model) await learnModel();
      showAnswer(answer, milliseconds);
      feedback.about(response.headers.get("X-Request-Id"));
    }
  } catch (failure) {
    say(`The server does not answer: ${failure.message}`, true);
  }
  asking = false;
  if (askAgain) ask();
}

function takesPictures(described) {
  return described.image && [1, 3].includes(described.shape[0]);
}

function isDrawn(described) {
  return described.image && described.shape[0] === 1;
}

// Everything that the page's inputs depend on; when it stays the same, they keep what was put in.
function signatureOf(described) {
  const { model: name, version, ...signature } = described;
  return JSON.stringify(signature);
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
  if (isNew) {
    feedback = makeFeedback(element("feedback"), element("feedback-status"), model);
    buildInputs();
  }
}

// What asks about values: nothing while they are not complete.
function askingAbout(values) {
  return () => {
    const data = values();
    return data && { path: "predict", type: "application/json", body: JSON.stringify({ data }) };
  };
}

function buildInputs() {
  element("image-section").hidden = !takesPictures(model);
  element("form-section").hidden = takesPictures(model);
  for (const each of document.querySelectorAll(".drawn")) each.hidden = !isDrawn(model);
  if (takesPictures(model)) {
    buildImageInputs();
  } else if (model.columns.length > 0) {
    question = askingAbout(makeForm(element("form"), model.columns, model.indices !== undefined, ask));
  } else {
    const count = model.shape.reduce((one, other) => one * other, 1);
    question = askingAbout(makeNumberField(element("form"), count, ask));
  }
}

// A picture takes the place of a drawing, and the other way round.
function buildImageInputs() {
  let file = null;
  let drawing = () => null;
  let clearDrawing = () => {};
  const picture = makePictureInput(element("file"), element("picture"), (chosen) => {
    file = chosen;
    element("canvas").hidden = file !== null || !isDrawn(model);
    element("seen").hidden = file !== null || !isDrawn(model);
    element("drop").hidden = file !== null || isDrawn(model);
    ask();
  });
  element("drop").hidden = isDrawn(model);
  element("image-title").textContent = isDrawn(model) ? "Draw, or drop a picture" : "Drop a picture";
  question = () => file === null ? drawing()
    : { path: "predict/", type: file.type || "application/octet-stream", body: file };
  if (isDrawn(model)) {
    const [, height, width] = model.shape;
    const blank = new Array(height * width).fill(model.range[0]);
    let values = null;
    drawing = askingAbout(() => values);
    element("canvas").replaceWith(element("canvas").cloneNode());  // without the listeners for an earlier model
    clearDrawing = makeDrawingArea(element("canvas"), (strokes) => {
      values = strokes.length > 0 ? pictureOf(strokes, height, width, model.range) : null;
      showPreview(element("preview"), values ?? blank, height, width, model.range);
      ask();
    }).clear;
    showPreview(element("preview"), blank, height, width, model.range);
  }
  element("clear").onclick = () => {
    picture.clear();
    clearDrawing();
  };
}

// The server writes what it serves into the page, so that nothing has to be awaited before it can be used.
useModel(JSON.parse(element("model").textContent));
ask();

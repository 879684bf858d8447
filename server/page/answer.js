// Shows what the model says: the prediction, a bar for each score, the version that answered and how long it took.
const mostBars = 12;

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
    track.style.visibility = model.task === "regression" ? "hidden" : "visible";  // targets have no common scale
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

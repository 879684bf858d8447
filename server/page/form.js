// A form from a table's columns: for each its name and the range that training saw, with a slider and a number,
// or a choice of its categories. `whole`: only whole numbers will do.
function makeForm(form, columns, whole, onChange) {
  form.replaceChildren();
  const inputs = columns.map((column, i) => {
    if (column.categories) return makeChoice(form, column, i, onChange);
    const { name, range: [least, most] } = column;
    const middle = whole ? Math.floor((least + most) / 2) : Number(((least + most) / 2).toPrecision(3));
    const step = !whole && most > least ? Math.pow(10, Math.floor(Math.log10((most - least) / 100))) : 1;
    const label = document.createElement("label");
    label.htmlFor = `column-${i}`;
    label.textContent = name + " ";
    const range = document.createElement("span");
    range.textContent = `${shortNumber(least)} to ${shortNumber(most)}`;
    label.append(range);

    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: least, max: most, step: "any", value: middle });
    slider.setAttribute("aria-label", `${name}, as a slider`);
    const number = document.createElement("input");
    Object.assign(number, { type: "number", id: `column-${i}`, step: "any", value: middle, inputMode: "decimal" });

    slider.addEventListener("input", () => {
      number.value = Number((Math.round(slider.value / step) * step).toPrecision(7));
      onChange();
    });
    number.addEventListener("input", () => {
      slider.value = number.value;
      onChange();
    });
    const field = document.createElement("div");
    field.className = "field";
    field.append(slider, number);
    const row = document.createElement("div");
    row.append(label, field);
    form.append(row);
    return number;
  });
  form.onsubmit = (event) => event.preventDefault();
  // The values, or nothing while a field holds no number.
  return () => {
    const filled = inputs.every((input) => input.tagName === "SELECT" || input.value !== "");
    return filled ? inputs.map((input) => input.tagName === "SELECT" ? input.value : Number(input.value)) : null;
  };
}

function makeChoice(form, { name, categories }, i, onChange) {
  const label = document.createElement("label");
  label.htmlFor = `column-${i}`;
  label.textContent = name;
  const choice = document.createElement("select");
  choice.id = `column-${i}`;
  choice.append(...categories.map((category) => {
    const option = document.createElement("option");
    option.value = category;
    option.textContent = category;
    return option;
  }));
  choice.addEventListener("input", onChange);
  const row = document.createElement("div");
  row.append(label, choice);
  form.append(row);
  return choice;
}

// For models that are neither a picture with one channel nor a table: the numbers themselves.
function makeNumberField(form, count, onChange) {
  form.replaceChildren();
  const label = document.createElement("label");
  label.htmlFor = "numbers";
  label.textContent = `${count} numbers, with commas between them`;
  const area = document.createElement("textarea");
  area.id = "numbers";
  area.addEventListener("input", onChange);
  form.append(label, area);
  form.onsubmit = (event) => event.preventDefault();
  return () => numbersIn(area.value);
}

// "1, 2.5" as numbers; nothing when it is anything else.
function numbersIn(text) {
  const words = text.split(/[\s,\[\]]+/).filter((word) => word !== "");
  return words.length > 0 && words.every((word) => Number.isFinite(Number(word))) ? words.map(Number) : null;
}

function shortNumber(value) {
  return String(Number(value.toPrecision(6)));
}

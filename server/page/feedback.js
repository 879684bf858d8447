// "That was wrong, it is …": tells the server what the right answer would have been, by the id of the request.
function makeFeedback(form, status, model) {
  const right = makeRightAnswer(model);
  const button = form.querySelector("button");
  let asked = null;  // the id of the request that the answer on the page is for

  form.querySelector("#right-place").replaceChildren(right);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const label = model.task === "regression" ? numbersIn(right.value) : right.value;
    if (asked === null || label === null || label === "") {
      tell(model.task === "regression" ? "Write the right value first." : "Choose the right answer first.", true);
      right.focus();
      return;
    }
    button.disabled = true;
    try {
      const response = await fetch("feedback", {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ request_id: asked, label }),
      });
      const answer = await response.json();
      if (!response.ok) tell(answer.error, true);
      else tell(answer.stored ? "Thank you, that is stored." : "Thank you, that was known already.");
    } catch (failure) {
      tell(`The server does not answer: ${failure.message}`, true);
    }
    button.disabled = false;
  };
  function tell(text, isBad) {
    status.textContent = text;
    status.className = isBad ? "bad" : "";
  }
  return {
    // For the answer to the request with this id; without one there is nothing to say.
    about(id) {
      asked = id;
      form.hidden = !model.feedback || id === null;
      if (model.task !== "regression") right.value = "";
      tell("");
    },
  };
}

// A choice of the labels, or a field for a regression's value or values.
function makeRightAnswer({ task, labels }) {
  const right = document.createElement(task === "regression" ? "input" : "select");
  right.id = "right";
  if (task === "regression") {
    right.inputMode = "decimal";
    right.autocomplete = "off";
    right.placeholder = labels.join(", ");
    return right;
  }
  right.append(...["", ...labels].map((label) => {
    const option = document.createElement("option");
    option.value = label;
    option.textContent = label === "" ? "…" : label;
    return option;
  }));
  return right;
}

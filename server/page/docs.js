// Shows the server's own OpenAPI document.
const made = (tag, text, ...children) => {
  const result = document.createElement(tag);
  if (text !== null) result.textContent = text;
  result.append(...children);
  return result;
};

function resolved(api, value) {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
}

// Short lists and objects stay on a line, so that a schema can be read.
function written(value, indent = "") {
  const line = JSON.stringify(value);
  if (value === null || typeof value !== "object" || line.length < 76 - indent.length) return line;
  const more = indent + "  ";
  return Array.isArray(value)
    ? `[\n${value.map((each) => more + written(each, more)).join(",\n")}\n${indent}]`
    : `{\n${Object.entries(value).map(([key, each]) => `${more}"${key}": ${written(each, more)}`).join(",\n")}\n${indent}}`;
}

function contentOf(content) {
  return Object.entries(content ?? {}).map(([type, { schema }]) =>
    made("div", null, made("code", type), ...schemaOf(schema)));
}

function schemaOf({ examples, ...schema }) {
  const shown = [made("pre", written(schema))];
  if (examples) shown.push(made("p", "For example:"), made("pre", JSON.stringify(examples[0])));
  return shown;
}

function parametersOf(api, list) {
  const names = made("dl", null);
  for (const each of list.map((one) => resolved(api, one))) {
    const about = each.description ?? (each.schema.enum ? each.schema.enum.join(", ") : each.schema.type);
    names.append(made("dt", each.name), made("dd", `${each.in}: ${about}`));
  }
  return names;
}

function answersOf(api, responses) {
  const refusals = made("dl", null);
  const all = [];
  for (const [status, given] of Object.entries(responses)) {
    const response = resolved(api, given);
    if (status === "200") {
      all.push(made("p", `200: ${response.description}`), ...contentOf(response.content));
    } else {
      refusals.append(made("dt", status), made("dd", response.description));
    }
  }
  return [...all, made("p", "Everything else is answered with {\"error\": …}:"), refusals];
}

function routeOf(api, path, method, operation) {
  const inside = made("div", null);
  inside.className = "inside";
  if (operation.parameters) inside.append(made("h3", "Parameters"), parametersOf(api, operation.parameters));
  if (operation.requestBody) inside.append(made("h3", "Body"), ...contentOf(operation.requestBody.content));
  inside.append(made("h3", "Answers"), ...answersOf(api, operation.responses));
  const head = made("summary", null, made("b", method.toUpperCase()), made("code", path), made("span", operation.summary));
  const route = made("details", null, head, inside);
  route.id = operation.operationId;
  return route;
}

async function showDocument() {
  const response = await fetch("openapi.json");
  const api = await response.json();
  if (!response.ok) throw new Error(api.error);
  const groups = new Map();
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const [tag] = operation.tags;
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(routeOf(api, path, method, operation));
    }
  }
  document.getElementById("description").textContent = api.info.description;
  for (const [tag, routes] of groups) document.getElementById("routes").append(made("h2", tag), ...routes);
  document.getElementById("status").textContent = `OpenAPI ${api.openapi}, ${api.info.title} ${api.info.version}`;
}

showDocument().catch((failure) => {
  const status = document.getElementById("status");
  status.textContent = `The document cannot be had: ${failure.message}`;
  status.className = "bad";
});

#include "pipeline/model/training.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

using namespace schema;

Schema texts(const std::string& meaning) {
  return either(meaning, {text(meaning), list(meaning, text("one of them"))});
}

Schema fetch_schema() {
  return keys(
      "Brings one file from a URL.",
      {required("url", text("http or https address; the output is named after its last part")),
       required("sha256", text("the file's SHA-256, 64 hexadecimal digits; a file with another one fails "
                               "the step"))});
}

// The values of an axis: a list, or what they are drawn from.
Schema axis_schema(std::string meaning) {
  const Schema ends = list("", number("an end of the range"));
  return either(
      std::move(meaning),
      {list("", scalar("a value")),
       one_of_keys("", {optional("uniform", ends), optional("log-uniform", ends), optional("integer", ends),
                        optional("choice", list("", scalar("a value")))})});
}

// A rule of a matrix that an axis may be called like, too: there it has values.
Schema or_axis(const std::string& meaning) {
  Schema schema = axis_schema(meaning);
  schema.of.insert(schema.of.begin(), integer("", 0));
  return schema;
}

Schema matrix_schema() {
  const Schema combinations = list("", map("", scalar("a value"), "axis"));
  Schema include = combinations;
  include.meaning =
      "mappings that add values to the combinations whose axes they agree with, or are combinations "
      "themselves when there is none";
  Schema exclude = combinations;
  exclude.meaning = "mappings; combinations that hold all of one are left out";
  return keys_and_others(
      "The step once for each combination of the axes' values, as `NAME[axis=value,…]`.",
      {optional("include", include), optional("exclude", exclude),
       optional("fail-fast",
                boolean("when one fails, end those that run and start no more; true when not given")),
       optional("max-parallel", integer("how many run at once, at most", 1, 10'000)),
       optional("samples", or_axis("how often values are drawn from the axes that are ranges")),
       optional("seed", or_axis("decides what is drawn, 0 when not given; the same draws for ever"))},
      axis_schema(
          "an axis and its values: `${{ matrix.NAME }}`; `uniform`, `log-uniform` and `integer` are drawn "
          "between two ends, `choice` from a list"),
      "axis");
}

Schema retry_schema() {
  const double most_retries = 100;
  return either(
      "How often a failed job is tried again, and when.",
      {integer("", 0, most_retries),
       keys("", {required("limit", integer("how often, after the first time", 0, most_retries)),
                 optional("when", list("after which ends; all of them when not given",
                                       text("`failed`: it ended by itself; `killed`: by a signal; "
                                            "`timeout`",
                                            {"failed", "killed", "timeout"}, {"node-lost"}))),
                 optional("backoff", duration("the wait before the first retry, 1s when not given")),
                 optional("factor", number("each wait is so many times the one before, 2 when not given", 1,
                                           most_retries)),
                 optional("max-backoff", duration("the longest wait, 1m when not given"))})});
}

Schema resources_schema() {
  return keys(
      "What the job takes up: it starts once that is free on the machine beside what runs.",
      {optional("cpu", text("cores: 2, 0.5 or 500m; also the threads of a `train` that names none")),
       optional("memory", text("bytes: 4Gi, 512M")),
       optional("gpu", integer("how many GPUs; the job finds them in CUDA_VISIBLE_DEVICES", 0, 1024))});
}

Schema step_schema() {
  return keys(
      "One step; it has exactly one of `fetch`, `train` and `run`.",
      {
          optional("fetch", fetch_schema()),
          optional("train", training_schema()),
          optional("run",
                   either("A program of your own: text is a script for `sh -e`, a list is run as it is, "
                          "without a shell.",
                          {text("a script"), list("an argument vector", text("one argument"))})),
          optional("needs", texts("Steps that must have succeeded before; those whose outputs are used are "
                                  "needed anyway.")),
          optional("deps",
                   list("Files, folders and globs that the job sees, relative to the pipeline's folder; "
                        "what is not declared is not there.",
                        text("a path or a glob"))),
          optional("outs",
                   list("Files and folders that a `run` step promises to write; one that is missing fails "
                        "the step. (`fetch` and `train` name their own.)",
                        text("a path inside the work directory"))),
          optional("metrics",
                   list("JSON files whose numbers become the step's metrics; they are outputs too.",
                        text("a path inside the work directory"))),
          optional("env", map("Environment variables of the job, besides PATH, HOME, LANG and MLPIPE_*; "
                              "`${{ secrets.NAME }}` as the whole value is a secret.",
                              scalar("the value"), "variable")),
          optional("timeout", duration("After this long the job is ended and the step has failed.")),
          optional("select",
                   text("Which results stand for the step, of those that its key has: `latest` (when not "
                        "given), `best(METRIC)` (the highest), `best(METRIC, min)`, `some(N)` (it runs until "
                        "there are N), `only` (the one that there is), `exact(ID, …)`, `all`. With `some`, "
                        "`all` and several ids an output is a folder that holds each result's own: `1`, `2`, "
                        "…, the oldest first. It does not count towards the step's key.")),
          later("image", "The image that the step runs in."),
          later("runs-on", "Where this step runs."),
          optional("matrix", matrix_schema()),
          optional("if",
                   text("A condition; a step for which it does not hold is skipped, and so is what needs "
                        "it. It may use params.X, matrix.X, steps.NAME.outcome and "
                        "steps.NAME.metrics.X.")),
          optional("finally",
                   boolean("Runs once everything that it needs has ended, whether that succeeded or "
                           "not; without `needs` after all other steps.")),
          optional("retry", retry_schema()),
          optional("resources", resources_schema()),
          optional("tools", list("Programs from PATH that a `run` step uses: they count towards its key.",
                                 text("a program's name"))),
          later("network", "Whether a container has network."),
          optional("nodes",
                   integer("How many nodes the job runs on, each with `processes`: on `local` all of "
                           "them are this machine; 1 when not given.",
                           1, Processes::most)),
          optional(
              "processes",
              integer("As how many processes the program of a `train` or `run` step runs at once, on each "
                      "node: they find each other by MASTER_ADDR, MASTER_PORT, RANK, LOCAL_RANK, NODE_RANK, "
                      "WORLD_SIZE and LOCAL_WORLD_SIZE; 1 when not given. How many there are in all counts "
                      "towards the step's key.",
                      1, Processes::most)),
      });
}

Schema model_schema() {
  return keys(
      "The model that the pipeline publishes.",
      {required("name", text("the name that releases are counted under")),
       required("from", text("the output that holds it: ${{ steps.train.outs.model }}")),
       optional("gate", text("a condition on metrics that must hold before a release is published and "
                             "served, such as `accuracy >= 0.98 and accuracy >= current.accuracy - 0.002`; "
                             "`accuracy` is a metric of the step behind `from`, `check.f1` one of another "
                             "step, `current.accuracy` the serving release's")),
       optional("select",
                text("which result of the step behind `from` is published, as a step's `select`"))});
}

Schema deploy_schema() {
  return keys(
      "The deployment that serves the model.",
      {optional("alias", text("the movable name for the release that serves; `prod` when not given")),
       optional("target", text("where it serves: `local` is a supervised process on this machine", {"local"},
                               {"container", "kubernetes", "nixos"})),
       optional("strategy",
                either("how traffic moves to a new release: `rolling` loads it beside the old one, warms it "
                       "up, then moves all traffic",
                       {text("", {"rolling"}),
                        keys("", {later("canary", "Moves traffic in steps and watches.")})})),
       optional("host", text("the address to listen on; 127.0.0.1 when not given")),
       optional("port", integer("the port to listen on, 0 takes a free one; when not given 8080, or a free "
                                "one where that is taken",
                                0, 65535)),
       later("image", "The server image."), later("replicas", "How many servers."),
       later("resources", "cpu, memory and gpu of a server."),
       later("command", "Another server's command.")});
}

Schema make_pipeline_schema() {
  return keys(
      "How a model comes to serve.",
      {
          required("name", text("The pipeline's name.")),
          optional("params",
                   map("Values that `${{ params.NAME }}` stands for; `--set NAME=VALUE` replaces one.",
                       scalar("the value"), "param")),
          required("steps", map("What is computed, by name; the order is given by what needs what.",
                                step_schema(), "step")),
          optional("model", model_schema()),
          optional("deploy", deploy_schema()),
          optional("runs-on", text("Where steps run: `local` is a process on this machine.", {"local"},
                                   {"container", "kubernetes", "nix"})),
          later("on", "What starts a run by itself."),
          later("images", "Images that steps and the deployment use."),
          later("remote", "Where results travel between machines."),
          later("profiles", "Named changes to this file."),
      });
}

}  // namespace

const Schema& pipeline_schema() {
  static const Schema schema = make_pipeline_schema();
  return schema;
}

}  // namespace mlpipe

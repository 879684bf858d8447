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
       keys("",
            {required("limit", integer("how often, after the first time", 0, most_retries)),
             optional("when", list("after which ends; all of them when not given",
                                   text("`failed`: it ended by itself; `killed`: by a signal, or with the "
                                        "node that it ran on, which `node-lost` says too; `timeout`",
                                        {"failed", "killed", "node-lost", "timeout"}))),
             optional("backoff", duration("the wait before the first retry, 1s when not given")),
             optional("factor",
                      number("each wait is so many times the one before, 2 when not given", 1, most_retries)),
             optional("max-backoff", duration("the longest wait, 1m when not given"))})});
}

Schema resources_schema() {
  return keys(
      "What the job takes up: it starts once that is free on the machine beside what runs.",
      {optional("cpu", text("cores: 2, 0.5 or 500m; also the threads of a `train` that names none")),
       optional("memory", text("bytes: 4Gi, 512M")),
       optional("gpu", integer("how many GPUs; the job finds them in CUDA_VISIBLE_DEVICES", 0, 1024))});
}

Schema runs_on_schema(const std::string& meaning) {
  return text(meaning +
                  " `local` is a process on this machine, `container` one in a container of its own, "
                  "`kubernetes` a Job in a cluster.",
              {"local", "container", "kubernetes"}, {"nix"});
}

Schema image_schema() {
  return keys(
      "An image: made from a Dockerfile, one that comes with mlpipe, or one that is pulled.",
      {optional("dockerfile", text("what it is built from, relative to the pipeline's folder")),
       optional("from", text("the reference of an image that is there already, such as python:3.12-slim")),
       optional("built-in", text("one that comes with mlpipe; an image of that name is it anyway",
                                 {"trainer", "server", "gateway", "agent"})),
       optional("context", text("the folder that the build sees, less what its .dockerignore names; the "
                                "pipeline's own when not given")),
       optional("target", text("the stage to build; the last one when not given")),
       optional("args", map("build arguments", scalar("the value"), "argument")),
       optional("secrets", map("build secrets, by the id that the Dockerfile mounts: `${{ secrets.NAME }}`; "
                               "they are in no layer and do not count",
                               text("${{ secrets.NAME }}"), "secret")),
       optional("platform", text("such as linux/amd64; the engine's own when not given")),
       later("nix", "A flake's output that is an image.")});
}

Schema canary_schema() {
  const double most_requests = 1'000'000;
  return keys(
      "Moves traffic in steps and watches.",
      {required("steps",
                list("one after the other; after the last the release gets all requests",
                     one_of_keys("", {optional("weight", integer("percent of the requests that the new "
                                                                 "release gets from now on",
                                                                 1, 99)),
                                      optional("pause", duration("for how long it is watched"))}))),
       optional("abort-if",
                list("conditions over `error_rate` (0 to 1), `p50` and `p99` (seconds) and `requests` of the "
                     "new release since its weight last changed, and over the same of the serving one as "
                     "`current.X`; when one holds, the old release goes on serving",
                     text("a condition"))),
       optional("min-requests", integer("how many the new release must have answered in a step, for it to "
                                        "count",
                                        0, most_requests)),
       optional("on-no-data", text("what is done when it got fewer: `probe` sends it requests made from the "
                                   "model's signature (when not given), `hold` waits, `abort` gives up",
                                   {"probe", "hold", "abort"}))});
}

// Where and as whom pods run; `deploy.kubernetes` and a step's replace single keys of the pipeline's.
std::vector<SchemaKey> place_keys() {
  const double largest_id = 4'294'967'294;
  const Schema names = map("", text("a value"), "name");
  Schema labels = names;
  labels.meaning = "more labels of the pods";
  Schema annotations = names;
  annotations.meaning = "annotations of the pods";
  Schema selector = map("labels that a node must have", text("a value"), "label");
  return {
      optional("namespace", text("the context's, when not given")),
      optional("service-account", text("that the pods run as; none, and without a token, when not given")),
      optional("image-pull-secrets", list("Secrets for the registries of images", text("a Secret's name"))),
      optional("node-selector", selector),
      optional("tolerations",
               list("taints of nodes that are no hindrance",
                    keys("", {optional("key", text("the taint's; any when not given")),
                              optional("operator", text("`Equal` when not given", {"Equal", "Exists"})),
                              optional("value", text("of the taint")),
                              optional("effect", text("any when not given",
                                                      {"NoSchedule", "PreferNoSchedule", "NoExecute"})),
                              optional("seconds", integer("for how long, of `NoExecute`", 0))}))),
      optional("priority-class", text("a PriorityClass")),
      optional("queue", text("a LocalQueue of Kueue, which decides when a Job starts")),
      optional("user",
               either("whom the containers run as; 65532 when not given",
                      {integer("", 1, largest_id),
                       text("`cluster` leaves it to the cluster, as OpenShift wants it", {"cluster"})})),
      optional("labels", labels),
      optional("annotations", annotations),
  };
}

Schema step_cluster_schema() {
  return keys(
      "Where its Job's pods run, on `kubernetes`: replaces single keys of the pipeline's `kubernetes`.",
      place_keys());
}

Schema deploy_cluster_schema() {
  const double least_node_port = 1;
  const double largest_port = 65535;
  std::vector<SchemaKey> known = place_keys();
  const SchemaKey more[] = {
      optional("service", text("the Service's type; `ClusterIP` when not given",
                               {"ClusterIP", "NodePort", "LoadBalancer"})),
      optional("node-port", integer("of a Service that has one; the cluster chooses when not given",
                                    least_node_port, largest_port)),
      optional("ingress", keys("an Ingress",
                               {required("host", text("the host that it answers for")),
                                optional("class", text("the IngressClass; the default one when not given")),
                                optional("tls-secret", text("the Secret with its certificate"))})),
      optional("http-route", keys("an HTTPRoute of the Gateway API",
                                  {required("gateway", text("NAME or NAMESPACE/NAME of the Gateway")),
                                   optional("host", text("the host that it answers for"))})),
      optional("route",
               keys("a Route of OpenShift", {required("host", text("the host that it answers for"))})),
      optional("network-policy",
               boolean("a NetworkPolicy that lets nobody reach more than the server's port, and its metrics "
                       "from inside the cluster; true when not given")),
      optional(
          "deadline",
          duration("a new release that is not ready after this long is rolled back; 10m when not given")),
  };
  known.insert(known.end(), std::begin(more), std::end(more));
  return keys(
      "where it serves and how it is reached, on `kubernetes`: also replaces single keys of the "
      "pipeline's `kubernetes`",
      std::move(known));
}

Schema cluster_schema() {
  std::vector<SchemaKey> known = {
      optional("context", text("of the kubeconfig; its current one when not given, and in a pod the cluster "
                               "that this is in")),
      optional("registry", text("HOST/REPOSITORY that images are pushed to and nodes pull them from; that of "
                                "`remote` when not given and that is one")),
      optional("remote", text("the URL of `remote` as pods reach it, where that is another")),
      optional("remote-secret", text("a Secret that pods use for `remote`: of the type "
                                     "kubernetes.io/dockerconfigjson, or with AWS_* variables for s3://")),
      optional("secrets",
               text("a Secret that holds `secrets.X` under the key X; mlpipe brings the values when "
                    "not given")),
      optional("keep", duration("for how long a Job that has ended stays in the cluster; 1h when not given")),
  };
  std::vector<SchemaKey> place = place_keys();
  known.insert(known.end(), place.begin(), place.end());
  return keys("The cluster, for what runs on `kubernetes`.", std::move(known));
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
          optional("runs-on",
                   runs_on_schema("Where this `train` or `run` step runs; as the pipeline says when "
                                  "not given.")),
          optional("image",
                   text("The image that it runs in where it runs in a container or on Kubernetes: one of "
                        "`images`, or `trainer`, which comes with mlpipe and is taken when not given.")),
          optional("kubernetes", step_cluster_schema()),
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
          optional("network", boolean("Whether its container has a network; it has none when not given.")),
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
  const double most_replicas = 100;
  return keys(
      "The deployment that serves the model.",
      {optional("alias", text("the movable name for the release that serves; `prod` when not given")),
       optional("target",
                text("where it serves: `local` is a supervised process on this machine, `container` "
                     "replicas in containers behind a gateway, `kubernetes` a Deployment in a cluster",
                     {"local", "container", "kubernetes"}, {"nixos"})),
       optional("kubernetes", deploy_cluster_schema()),
       optional("strategy",
                either("how traffic moves to a new release: `rolling` loads it beside the old one, warms it "
                       "up, then moves all traffic; `canary` moves it in steps",
                       {text("", {"rolling"}), keys("", {required("canary", canary_schema())})})),
       optional("host", text("the address to listen on; 127.0.0.1 when not given")),
       optional("port", integer("the port to listen on, 0 takes a free one; when not given 8080, or a free "
                                "one where that is taken",
                                0, 65535)),
       optional("replicas", either("how many servers; 1 when not given",
                                   {integer("", 1, most_replicas),
                                    keys("on `kubernetes` as many as the load asks for",
                                         {required("min", integer("at least", 1, most_replicas)),
                                          required("max", integer("at most", 1, most_replicas))})})),
       optional("image", text("the server's image where it runs in containers: one of `images`, or `server`, "
                              "which comes with mlpipe and is taken when not given")),
       optional("resources", resources_schema()),
       optional("model", text("`image`: the model is a layer of the image that serves it, and nothing is "
                              "mounted (when not given); `mounted`: its folder is mounted read-only",
                              {"image", "mounted"})),
       optional("command",
                list("what runs in the container, for a server that is not mlpipe's and speaks Open "
                     "Inference Protocol v2",
                     text("one argument"))),
       optional("container-port",
                integer("where the server listens inside its container; 8080 when not given", 1, 65535))});
}

Schema remote_schema() {
  const std::string url =
      "`oci://HOST/REPOSITORY` is an OCI registry, `s3://BUCKET/PREFIX` is S3 or what speaks its protocol, "
      "`pvc://CLAIM/FOLDER` a volume in the cluster";
  return either(
      "Where results travel between machines: a step whose result is there is not run but brought, and what "
      "runs is sent there. Who you are there is known from `docker login`, or from the AWS_* variables.",
      {text(url),
       keys("", {required("url", text(url)),
                 optional("required", boolean("a run fails when the remote cannot be used; when not "
                                              "given, it goes on without it"))})});
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
          optional("runs-on", runs_on_schema("Where steps run; `local` when not given.")),
          later("on", "What starts a run by itself."),
          optional("images",
                   map("Images that steps and the deployment use, by name; built when their content changed, "
                       "used by digest. Only those that are used are looked at.",
                       image_schema(), "image")),
          optional("remote", remote_schema()),
          optional("kubernetes", cluster_schema()),
          optional(
              "profiles",
              map("Named changes to this file, for `--profile NAME`: each holds any of the keys above, and "
                  "is merged into them key by key.",
                  any("any part of this file"), "profile")),
      });
}

}  // namespace

Schema profile_schema() {
  Schema schema = partial(pipeline_schema());
  std::erase_if(schema.keys,
                [](const SchemaKey& key) { return key.name == "profiles" || key.name == "name"; });
  return schema;
}

const Schema& pipeline_schema() {
  static const Schema schema = make_pipeline_schema();
  return schema;
}

}  // namespace mlpipe

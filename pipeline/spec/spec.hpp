#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/base/schema.hpp"
#include "pipeline/base/yaml.hpp"
#include "pipeline/cluster/place.hpp"
#include "pipeline/spec/adjustments.hpp"
#include "pipeline/spec/condition.hpp"
#include "pipeline/spec/expression.hpp"
#include "pipeline/spec/rules.hpp"
#include "pipeline/spec/selector.hpp"
#include "pipeline/spec/strategy.hpp"

namespace mlpipe {

// An output of another step. Inside a job it lies, read-only, at path().
struct Input {
  std::string step;
  std::string out;

  // A combination of a matrix lies in the matrix step's folder: inputs/train/lr=0.1/model.
  std::string path() const;
  std::string text() const { return step + "/" + out; }
  friend auto operator<=>(const Input&, const Input&) = default;
};

// A file, folder or glob of the project that a job sees, and where the author named it.
struct Dependency {
  std::string path;  // relative to the project's folder
  Mark mark;
  friend bool operator==(const Dependency& a, const Dependency& b) { return a.path == b.path; }
  friend auto operator<=>(const Dependency& a, const Dependency& b) { return a.path <=> b.path; }
};

// Brings one file from a URL; its only output is named after the URL's last part.
struct FetchAction {
  std::string url;
  std::string sha256;  // 64 lower-case hexadecimal digits
};

// Trains with mlpipe-train; outputs `model` and `report`.
struct TrainAction {
  YamlNode config;  // the `train:` mapping with every expression replaced; paths are as the job sees them
  std::string model_name;  // what the model is called: as in `model:`, or as the pipeline
};

// Runs the author's own program.
struct RunAction {
  bool shell = false;  // one argument, a script for sh; else an argument vector
  std::vector<std::string> arguments;
};

// What an image is made from: a Dockerfile of the project, one that comes with mlpipe, or an image that is
// there under a reference and is pulled.
struct ImageSpec {
  enum class Kind { built_in, dockerfile, reference };
  std::string name;  // "trainer", as in `images:`
  Mark mark;
  Kind kind = Kind::built_in;
  std::string built_in;    // built_in: "trainer", "server" or "gateway"
  std::string dockerfile;  // dockerfile: relative to the project
  std::string context;     // dockerfile: a folder relative to the project; "." is all of it
  std::string target;      // the stage to build; empty: the last
  std::string platform;    // "linux/amd64"; empty: the engine's own
  std::string reference;   // reference: "debian:bookworm-slim"
  std::map<std::string, std::string> args;
  std::vector<SecretVariable> secrets;  // build secrets; `variable` is the id that the Dockerfile mounts
  bool in_registry = false;  // reference: only a cluster uses it, which pulls it itself; no engine is asked
};

// Builds or pulls an image. Its output `image` is a file that names it: {"id": "sha256:…", "name": "…"};
// `bases` one that says what it was made from, ids by name: {"debian:12": "sha256:…"}.
struct ImageAction {
  ImageSpec image;
};

// One node that the author wrote, or one combination of a matrix that the author wrote. A value.
struct Step {
  std::string name;                           // "train"; of a matrix "train[lr=0.1]"
  std::string group;                          // of a matrix: "train"; else empty
  std::map<std::string, std::string> matrix;  // its values
  Mark mark;
  std::variant<FetchAction, TrainAction, RunAction, ImageAction> action;
  RunsOn runs_on = RunsOn::local;
  std::optional<Input> image;        // that it runs in; of a step that runs in a container or on Kubernetes
  bool network = false;              // whether its container has one
  ClusterPlace place;                // of a step that runs on Kubernetes
  std::vector<std::string> needs;    // steps that must have succeeded before, besides those behind `inputs`
  std::vector<std::string> after;    // steps that must have ended before, however they ended
  std::vector<Dependency> deps;      // sorted, without duplicates
  std::vector<Input> inputs;         // sorted, without duplicates
  std::vector<std::string> outs;     // relative to the work directory
  std::vector<std::string> metrics;  // JSON files among the outs (or inside one)
  std::map<std::string, std::string> environment;
  std::vector<SecretVariable> secrets;
  std::vector<Tool> tools;
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<Condition> condition;
  bool finally = false;  // it runs also when what it comes after did not succeed
  // Steps whose outcome stands in the command or the environment as placeholder_of_outcome(); of a finally
  // step.
  std::vector<std::string> outcomes;
  Retry retry;
  Resources resources;
  Processes processes;
  std::map<std::string, std::string> params;  // the ones that it uses
  Selector select;                            // which of its results stand for it

  std::string kind() const;  // "fetch", "train", "run", "image"
};

// The step that makes an image, and what messages call it. No step that an author names holds a dot.
std::string image_step(const std::string& image);

// What stands for the outcome of a step until the step has ended: "${{ steps.train.outcome }}".
std::string placeholder_of_outcome(const std::string& step);

// A step with a `matrix`: its combinations are steps.
struct MatrixGroup {
  std::vector<std::string> members;  // in order
  bool fail_fast = true;             // when one fails, the others are not started, or ended
  std::optional<std::size_t> max_parallel;
};

struct ModelSpec {
  std::string name;
  Input from;  // its step may be a matrix: the best of its combinations
  std::optional<Expression> gate;
  std::string gate_text;
};

struct DeploySpec {
  std::string alias;
  std::string target;  // "local", "container", "kubernetes"
  std::string host;
  std::optional<int> port;  // 0: any free one; nothing: the usual one, or any free one when it is taken
  Strategy strategy;
  // Of a target that runs containers (`gateway_image` of `container` alone):
  std::optional<Input> image;          // the server's
  std::optional<Input> gateway_image;  // of what spreads requests over the replicas
  int replicas = 1;
  Resources resources;               // of each replica
  std::vector<std::string> command;  // another server's; empty: what the image says
  int container_port = 8080;         // that the server listens at inside its container
  bool model_in_image = true;        // else the release's folder is mounted
  // Of the target `kubernetes`:
  std::optional<int> most_replicas;  // `replicas` are the least; nothing: there are always so many
  ClusterPlace place;
  ClusterExposure exposure;
  std::chrono::milliseconds deadline{600'000};  // for a new release to get ready
};

// Where results travel between machines.
struct RemoteSpec {
  std::string url;        // "oci://HOST/REPOSITORY", "s3://BUCKET/PREFIX" or "pvc://CLAIM/FOLDER"
  bool required = false;  // a run fails when it cannot be used
};

// The parsed file. A value; nothing in it depends on the disk.
struct Spec {
  std::shared_ptr<const YamlDocument> document;  // for messages that point into it
  std::filesystem::path file;                    // absolute
  std::filesystem::path project;                 // the folder that holds it
  std::string name;
  std::map<std::string, std::string> params;
  std::vector<Step> steps;  // every step stands after those that it needs; else in the order of the file.
                            // Images that are used are steps too
  std::map<std::string, MatrixGroup> groups;  // by the name of the matrix step
  std::optional<ModelSpec> model;
  std::optional<DeploySpec> deploy;
  std::optional<RemoteSpec> remote;
  ClusterAccess cluster;  // for what runs on Kubernetes

  const Step* find_step(std::string_view step) const;
  std::vector<std::string> step_names() const;
  // The names of the steps that a name stands for: of a matrix step all its combinations; empty: there is no
  // such step.
  std::vector<std::string> steps_named(const std::string& wanted) const;
  // The steps that must have succeeded before this one, without duplicates.
  std::vector<std::string> upstream(const Step& step) const;
};

// The one definition of pipeline.yaml.
const Schema& pipeline_schema();
// What a profile may hold: any part of the file, nothing of it required.
Schema profile_schema();

// Parses and checks the file. Throws SpecError with every fault, UsageError for a missing file, a `set` that
// names no param and a profile that is not there.
Spec load_spec(const std::filesystem::path& file, const Adjustments& adjustments = {});
// The same for a text, as if it stood in `file`.
Spec read_spec(const std::filesystem::path& file, YamlDocument document, const Adjustments& adjustments);

}  // namespace mlpipe

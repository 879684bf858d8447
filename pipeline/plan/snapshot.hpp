#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/digest.hpp"
#include "pipeline/plan/result.hpp"

namespace mlpipe {

// One file behind a dependency.
struct DependencyFile {
  std::string path;  // relative to the project's folder
  Digest digest;
  bool executable = false;

  friend auto operator<=>(const DependencyFile&, const DependencyFile&) = default;
};

// What a dependency (a file, a folder, a glob) stood for when it was looked at; empty: nothing is there.
using DependencyFiles = std::vector<DependencyFile>;

// One entry of the context that an image is built from.
struct ContextFile {
  std::string path;     // relative to the context
  std::string content;  // "file:3f…", "executable:3f…", "link:TARGET", "folder:" of one without entries

  friend auto operator<=>(const ContextFile&, const ContextFile&) = default;
};

// What an image that has a Dockerfile is built from.
struct ImageFiles {
  Digest dockerfile;
  std::vector<ContextFile> context;  // sorted by path
};

// What jobs run with, besides what their steps declare.
struct Tools {
  std::string architecture;  // "x86_64"
  std::string trainer;       // identity of mlpipe-train: its build and its libtorch
  std::string fetcher;       // identity of what `fetch` does, not of its build: the file is known by its hash
  int default_threads = 1;   // for a training that names none
};

// What a name in `tools` is looked up by.
struct ToolPlace {
  std::string name;
  std::string path;  // the step's own PATH; empty: this process's

  friend auto operator<=>(const ToolPlace&, const ToolPlace&) = default;
};

// What the alias of a model stands for at the moment.
struct AliasState {
  int version = 0;
  Digest model;                           // digest of the release's tree
  std::map<std::string, double> metrics;  // "accuracy", "check.f1"
  // Releases that a rollback moved the alias away from, and that it has not stood for since: a run leaves
  // them alone.
  std::vector<Digest> set_aside;
};

// One server of a deployment that has several.
struct ServedReplica {
  std::string name;
  std::string version;  // of the release
  std::string state;    // "running", "unhealthy", "restarting", …
  int weight = 0;       // the share of all traffic that goes to its release, in percent
};

// What a target says of a deployment.
struct ServingState {
  bool running = false;
  std::string version;  // the label that it answers with
  Digest model;         // of what it serves; zero: unknown
  std::string address;  // "http://127.0.0.1:8080"
  std::string server;   // identity of the running server program
  std::string shape;    // what it was started with: host, port
  // Why it is not what it was when it was rolled out: "1 of 2 servers runs"; empty: it is.
  std::string fault;
  std::vector<ServedReplica> replicas;  // of a target that has several
};

// Everything that a plan is made from. A value, but for the results, which are looked up as of one moment.
struct Snapshot {
  std::map<std::string, DependencyFiles> dependencies;  // by the text in `deps`
  std::map<std::string, ImageFiles> images;             // by the name of the image
  Tools tools;
  std::map<ToolPlace, std::string> programs;  // the identity of each of `tools`
  const ResultSource* results = nullptr;      // must outlive the plan
};

}  // namespace mlpipe

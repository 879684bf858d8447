#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/process.hpp"

namespace mlpipe {

// A container engine that answers; tests use what the environment names.
class RealEngine {
 public:
  // Why there is none of that name; empty: there is.
  static std::string missing(const std::string& name);
  // `name`: "docker" or "podman".
  explicit RealEngine(std::string name) : name_(std::move(name)) {}
  ~RealEngine();

  Captured run(std::vector<std::string> arguments) const;
  // An image of a single file, made without a base; removed at the end.
  std::string make_server();
  // From and to a registry that speaks plain http; what it pulls it removes at the end.
  void pull(const std::string& image);
  void push(const std::string& image, const std::string& to);
  // Removes it at the end.
  void owns(const std::string& image) { images_.push_back(image); }
  // The file in an image: nothing is run, since such an image has nothing that could.
  std::string file_in(const std::string& image, const std::string& path) const;

 private:
  void talk_to_registry(const std::string& verb, const std::string& image) const;

  std::string name_;
  std::vector<std::string> images_;
};

}  // namespace mlpipe

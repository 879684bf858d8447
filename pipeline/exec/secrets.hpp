#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "pipeline/base/process.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// The values of secrets. They live in this process, in the agent of a job that uses them, and in the job: in
// no file, no key, no command line.
class Secrets {
 public:
  void add(const std::string& name, std::string value) { values_.insert_or_assign(name, std::move(value)); }

  bool knows(const std::string& name) const { return values_.contains(name); }
  // The step's secret variables with their values, as far as they are known.
  Environment variables_of(const Step& step) const;
  // The text with "***" in place of each value.
  std::string masked(std::string text) const;

 private:
  std::map<std::string, std::string> values_;
};

// The value of a secret: of the variable MLPIPE_SECRET_NAME, else the file NAME in $MLPIPE_SECRETS_DIR, less
// the newline at its end. Nothing when there is neither.
std::optional<std::string> find_secret(const std::string& name, const Environment& environment);

// Puts "***" in place of the values of these variables in a file, in place, whatever its size.
void mask_file(const std::filesystem::path& file, const Environment& secret_variables);

}  // namespace mlpipe

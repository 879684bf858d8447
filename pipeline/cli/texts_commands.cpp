#include <fmt/format.h>

#include <cstdio>

#include "pipeline/cli/commands.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

int schema_command(const Invocation&) {
  fmt::print("{}", json_schema_text(pipeline_schema(), "pipeline.yaml of mlpipe"));
  return 0;
}

int reference_command(const Invocation&) {
  fmt::print("{}", reference_text(pipeline_schema()));
  return 0;
}

int completion_command(const Invocation&) {
  fmt::print("{}", bash_completion());
  return 0;
}

int man_command(const Invocation&) {
  fmt::print("{}", man_page());
  return 0;
}

}  // namespace mlpipe

// Any bytes are a pipeline with faults or one without: reading them ends in a Spec or in a UsageError.
#include <cstddef>
#include <cstdint>
#include <string>

#include "pipeline/base/error.hpp"
#include "pipeline/spec/spec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    std::string text(reinterpret_cast<const char*>(data), size);
    mlpipe::read_spec("/project/pipeline.yaml", mlpipe::parse_yaml("pipeline.yaml", std::move(text)), {});
  } catch (const mlpipe::UsageError&) {  // SpecError is one
  }
  return 0;
}

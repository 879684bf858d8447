#include "pipeline/model/weights_format.hpp"

#include <array>

#include "pipeline/base/error.hpp"
#include "pipeline/model/safetensors.hpp"

namespace mlpipe {
namespace {

struct NamedFormat {
  WeightsFormat format;
  const char* name;
  const char* ending;
};

constexpr std::array<NamedFormat, 3> formats = {{
    {WeightsFormat::safetensors, "safetensors", ".safetensors"},
    {WeightsFormat::torchscript, "torchscript", ".pt"},
    {WeightsFormat::aotinductor, "aotinductor", ".pt2"},
}};

constexpr const char* write_torchscript_hint =
    "write TorchScript: torch.jit.script(module.eval()).save(\"model.pt\")";

// The names of a zip archive's files stand in it as they are.
bool is_archive(std::string_view bytes) {
  return bytes.starts_with("PK\x03\x04");
}
bool holds(std::string_view bytes, std::string_view name) {
  return bytes.find(name) != std::string_view::npos;
}

std::optional<WeightsFault> fault_of_torchscript(std::string_view bytes) {
  // What torch.save writes is such an archive too, but has no code.
  if (is_archive(bytes) && holds(bytes, "/constants.pkl") && holds(bytes, "/code/")) {
    return std::nullopt;
  }
  if (is_pickle(bytes)) {
    return WeightsFault{
        "it is a pickle, as torch.save writes it: it holds no network, and loading it could run any "
        "code",
        write_torchscript_hint};
  }
  return WeightsFault{"it is not TorchScript, or it is damaged", write_torchscript_hint};
}

std::optional<WeightsFault> fault_of_package(std::string_view bytes) {
  if (is_archive(bytes) && holds(bytes, "aotinductor/")) {
    return std::nullopt;
  }
  return WeightsFault{is_archive(bytes) ? "it is an archive without a compiled library"
                                        : "it is no package of AOTInductor, or it is damaged",
                      "write one with torch._inductor.aoti_compile_and_package(torch.export.export(…))"};
}

}  // namespace

bool is_pickle(std::string_view bytes) {
  return bytes.starts_with('\x80') || (is_archive(bytes) && holds(bytes, "/data.pkl"));
}

std::string format_name(WeightsFormat format) {
  for (const NamedFormat& one : formats) {
    if (one.format == format) {
      return one.name;
    }
  }
  return "";
}

std::optional<WeightsFormat> format_named(std::string_view name) {
  for (const NamedFormat& one : formats) {
    if (one.name == name) {
      return one.format;
    }
  }
  return std::nullopt;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const NamedFormat& one : formats) {
    names.emplace_back(one.name);
  }
  return names;
}

std::optional<WeightsFormat> format_of_file(std::string_view name) {
  for (const NamedFormat& one : formats) {
    if (name.ends_with(one.ending)) {
      return one.format;
    }
  }
  return std::nullopt;
}

std::optional<WeightsFault> fault_of_weights(WeightsFormat format, std::string_view bytes) {
  switch (format) {
    case WeightsFormat::torchscript:
      return fault_of_torchscript(bytes);
    case WeightsFormat::aotinductor:
      return fault_of_package(bytes);
    case WeightsFormat::safetensors:
      break;
  }
  try {
    parse_safetensors(bytes, "it");
    return std::nullopt;
  } catch (const Error& error) {
    return WeightsFault{error.what(), "write it with safetensors.numpy.save_file, all tensors float32"};
  }
}

}  // namespace mlpipe

#include "pipeline/spec/rules_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/quantity.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

class RulesReader {
 public:
  RulesReader(const References& references, Usage& usage, Diagnostics& diagnostics)
      : references_(references), usage_(usage), diagnostics_(diagnostics) {}

  void read(const YamlNode& node, bool may_name_tools, Step& step) {
    if (const auto timeout = duration(node.find("timeout"))) {
      step.timeout = timeout;
    }
    if (const YamlNode* finally = node.find("finally");
        finally != nullptr && is_written_out(*finally, diagnostics_)) {
      step.finally = as_boolean(*finally).value_or(false);
    }
    if (const YamlNode* retry = node.find("retry")) {
      read_retry(*retry, step.retry);
    }
    if (const YamlNode* resources = node.find("resources")) {
      read_resources(*resources, step.resources);
    }
    read_processes(node, step);
    if (const YamlNode* tools = node.find("tools")) {
      read_tools(*tools, may_name_tools, step);
    }
  }

  void read_resources(const YamlNode& node, Resources& resources) {
    if (const YamlNode* cpu = node.find("cpu")) {
      const auto found = text(cpu);
      resources.cpu_mark = cpu->mark;
      resources.cpu = expect(cpu, found, found ? parse_cores(*found) : std::nullopt, "a number of cores",
                             "write 2, 0.5 or 500m")
                          .value_or(0);
    }
    if (const YamlNode* memory = node.find("memory")) {
      const auto found = text(memory);
      resources.memory_mark = memory->mark;
      resources.memory = expect(memory, found, found ? parse_bytes(*found) : std::nullopt,
                                "an amount of memory", "write bytes with a unit, as in 4Gi or 512M")
                             .value_or(0);
    }
    if (const YamlNode* gpu = node.find("gpu")) {
      resources.gpu_mark = gpu->mark;
      if (const auto count = whole_number(gpu)) {
        resources.gpu = static_cast<int>(std::min<std::int64_t>(*count, 1024));
      }
    }
  }

 private:
  // The scalar's text; nothing when it is missing or there was a fault. How a step runs does not count, so
  // neither do the params that say so.
  std::optional<std::string> text(const YamlNode* node) {
    Usage own;
    const auto text = node != nullptr && node->is_scalar() && !node->is_null() ? references_.text(*node, own)
                                                                               : std::nullopt;
    if (text && !own.inputs.empty()) {
      diagnostics_.add(*node, "this is known before anything runs: it cannot use what steps yield");
      return std::nullopt;
    }
    return text;
  }

  template <typename Value>
  std::optional<Value> expect(const YamlNode* node, const std::optional<std::string>& text,
                              std::optional<Value> value, std::string_view what, std::string hint) {
    if (text && !value) {
      diagnostics_.add(*node, fmt::format("expected {}, found '{}'", what, printable(*text)),
                       std::move(hint));
    }
    return value;
  }

  std::optional<std::chrono::milliseconds> duration(const YamlNode* node) {
    const auto found = text(node);
    auto value = found ? parse_duration(*found) : std::nullopt;
    if (value && value->count() == 0) {
      value.reset();
    }
    return expect(node, found, value, "a duration", "write a number with a unit, as in 30s, 5m or 1h30m");
  }

  std::optional<std::int64_t> whole_number(const YamlNode* node) {
    const auto found = text(node);
    auto value = found ? parse_integer(*found) : std::nullopt;
    if (value && *value < 0) {
      value.reset();
    }
    return expect(node, found, value, "a whole number from 0", "");
  }

  void read_retry(const YamlNode& node, Retry& retry) {
    const YamlNode* limit = node.is_mapping() ? node.find("limit") : &node;
    retry.limit = static_cast<std::size_t>(whole_number(limit).value_or(0));
    if (const YamlNode* when = node.find("when")) {
      for (const YamlNode& item : when->items) {
        is_written_out(item, diagnostics_);
      }
      const auto named = [&](std::string_view word) {
        return std::any_of(when->items.begin(), when->items.end(),
                           [&](const YamlNode& item) { return item.scalar == word; });
      };
      retry.after_failure = named("failed");
      retry.after_kill = named("killed") || named("node-lost");
      retry.after_timeout = named("timeout");
    }
    retry.backoff = duration(node.find("backoff")).value_or(retry.backoff);
    retry.longest_backoff = duration(node.find("max-backoff")).value_or(retry.longest_backoff);
    const YamlNode* factor = node.find("factor");
    const auto found = text(factor);
    auto value = found ? parse_number(*found) : std::nullopt;
    if (value && *value < 1) {
      value.reset();
    }
    retry.factor = expect(factor, found, value, "a number from 1", "").value_or(retry.factor);
  }

  // They count, so the params that say how many are such that the step uses.
  void read_processes(const YamlNode& node, Step& step) {
    for (const auto& [key, count] :
         {std::pair{"nodes", &step.processes.nodes}, std::pair{"processes", &step.processes.of_each}}) {
      const YamlNode* written = node.find(key);
      if (written == nullptr || !written->is_scalar() || written->is_null()) {
        continue;
      }
      if (std::holds_alternative<FetchAction>(step.action)) {
        diagnostics_.add(*written, fmt::format("`{}` belongs to `train` and `run` steps", key));
        continue;
      }
      const auto found = references_.text(*written, usage_);
      auto value = found ? parse_integer(*found) : std::nullopt;
      if (value && (*value < 1 || *value > Processes::most)) {
        value.reset();
      }
      *count = static_cast<int>(
          expect(written, found, value, fmt::format("a whole number from 1 to {}", Processes::most), "")
              .value_or(1));
    }
  }

  void read_tools(const YamlNode& node, bool may_name_tools, Step& step) {
    if (!may_name_tools) {
      diagnostics_.add(node, "`tools` belongs to `run` steps", "mlpipe's own programs count anyway");
      return;
    }
    for (const YamlNode& item : node.items) {
      if (!item.is_scalar() || item.is_null()) {
        continue;
      }
      const auto name = references_.text(item, usage_);
      if (!name) {
        continue;
      }
      if (name->empty() || name->find('/') != std::string::npos) {
        diagnostics_.add(item, fmt::format("'{}' is not the name of a program", printable(*name)),
                         "a tool is looked up in PATH; a program of the project belongs in `deps`");
      } else {
        step.tools.push_back({*name, item.mark});
      }
    }
  }

  const References& references_;
  Usage& usage_;
  Diagnostics& diagnostics_;
};

}  // namespace

void read_resources(const YamlNode& node, const References& references, Diagnostics& diagnostics,
                    Resources& resources) {
  Usage not_counted;
  RulesReader(references, not_counted, diagnostics).read_resources(node, resources);
}

void read_rules(const YamlNode& node, bool may_name_tools, const References& references, Usage& usage,
                Diagnostics& diagnostics, Step& step) {
  RulesReader(references, usage, diagnostics).read(node, may_name_tools, step);
}

}  // namespace mlpipe

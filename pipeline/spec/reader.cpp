#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/model/training.hpp"
#include "pipeline/spec/cluster_reader.hpp"
#include "pipeline/spec/deploy_reader.hpp"
#include "pipeline/spec/images.hpp"
#include "pipeline/spec/matrix.hpp"
#include "pipeline/spec/order.hpp"
#include "pipeline/spec/references.hpp"
#include "pipeline/spec/rules_reader.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {
namespace {

constexpr const char* inputs_folder = "inputs";
constexpr std::size_t largest_pipeline_file = std::size_t{64} << 20U;  // some 1,000,000 steps

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  constexpr std::size_t longest = 100;
  if (text.empty() || text.size() > longest || !is_letter(text.front())) {
    return false;
  }
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

// "https://host/a/mnist.npz?x=1" → "mnist.npz"
std::string last_part_of_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = url.find("://");
  const std::size_t slash = url.rfind('/');
  if (slash == std::string_view::npos || (scheme != std::string_view::npos && slash < scheme + 3)) {
    return "";
  }
  return std::string(url.substr(slash + 1));
}

// Reads the tree into a Spec. What the schema check found faulty is passed over here, so that every fault is
// reported at once and none twice.
class Reader {
 public:
  Reader(const std::filesystem::path& file, const YamlDocument& document, const Adjustments& adjustments,
         Diagnostics& diagnostics)
      : root_(document.root),
        adjustments_(adjustments),
        diagnostics_(diagnostics),
        references_(names_, diagnostics),
        images_(root_, references_, diagnostics) {
    spec_.file = std::filesystem::absolute(file).lexically_normal();
    spec_.project = spec_.file.parent_path();
  }

  Spec read() {
    read_name();
    read_params(adjustments_.set);
    read_where_steps_run();
    read_cluster();
    expand_steps();
    collect_outs();
    read_steps();
    read_model();
    read_deploy();
    read_remote();
    require_remote();
    check_image_names();
    for (Step& image : images_.steps()) {
      spec_.steps.push_back(std::move(image));
    }
    if (diagnostics_.empty()) {
      put_last_steps_after_the_others();
      order_steps(spec_.steps, diagnostics_);
    }
    diagnostics_.throw_if_any();
    return std::move(spec_);
  }

 private:
  void check_name(const std::string& name, Mark mark, std::string_view what) {
    if (!is_name(name)) {
      constexpr std::size_t longest_shown = 100;
      const std::string shown = name.size() > longest_shown ? name.substr(0, longest_shown) + "…" : name;
      diagnostics_.add(mark, fmt::format("'{}' cannot be the name of {}", printable(shown), what),
                       "a name begins with a letter and goes on with letters, digits, _ and -");
    }
  }

  void read_name() {
    const YamlNode* name = root_.find("name");
    if (name != nullptr && name->is_scalar() && !name->is_null()) {
      check_name(name->scalar, name->mark, "a pipeline");
      spec_.name = name->scalar;
    }
  }

  void read_params(const std::vector<std::string>& set) {
    if (const YamlNode* params = root_.find("params")) {
      for (const YamlEntry& entry : params->entries) {
        check_name(entry.key, entry.key_mark, "a param");
        if (entry.value.is_scalar()) {
          if (entry.value.scalar.find("${{") != std::string::npos) {
            diagnostics_.add(entry.value, "a param is a plain value, not an expression");
          }
          names_.params[entry.key] = entry.value;
        }
      }
    }
    for (const std::string& assignment : set) {
      apply_set(assignment);
    }
    for (const auto& [name, value] : names_.params) {
      spec_.params[name] = value.scalar;
    }
  }

  void read_where_steps_run() {
    runs_on_ = read_runs_on(root_.find("runs-on")).value_or(RunsOn::local);
    if (!adjustments_.runs_on) {
      return;
    }
    const auto place = place_named(*adjustments_.runs_on);
    if (!place) {
      throw UsageError(fmt::format("--runs-on {}: there is no such place", printable(*adjustments_.runs_on)),
                       "known: local, container, kubernetes");
    }
    runs_on_ = *place;
  }

  static std::optional<RunsOn> place_named(std::string_view name) {
    return name == "local"        ? std::optional(RunsOn::local)
           : name == "container"  ? std::optional(RunsOn::container)
           : name == "kubernetes" ? std::optional(RunsOn::kubernetes)
                                  : std::nullopt;
  }

  std::optional<RunsOn> read_runs_on(const YamlNode* node) {
    Usage not_counted;
    const auto text = node != nullptr && node->is_scalar() && !node->is_null()
                          ? references_.text(*node, not_counted)
                          : std::nullopt;
    return text ? place_named(*text) : std::nullopt;
  }

  void read_cluster() {
    const YamlNode* node = root_.find("kubernetes");
    if (node != nullptr && node->is_mapping()) {
      spec_.cluster = read_cluster_access(*node, references_, diagnostics_);
      read_cluster_place(*node, references_, diagnostics_, place_);
    }
  }

  // What it is on Kubernetes besides a container.
  void read_cluster_step(const YamlNode& node, Step& step) {
    step.place = place_;
    if (const YamlNode* place = node.find("kubernetes"); place != nullptr && place->is_mapping()) {
      read_cluster_place(*place, references_, diagnostics_, step.place);
    }
    if (const auto agent = images_.use(nullptr, "agent", true)) {
      step.needs.push_back(agent->step);
    }
  }

  // A file is known by its hash, wherever it was fetched: `fetch` stays on this machine.
  void read_container(const YamlNode& node, Step& step) {
    const YamlNode* runs_on = node.find("runs-on");
    const YamlNode* network = node.find("network");
    if (std::holds_alternative<FetchAction>(step.action)) {
      for (const char* key : {"runs-on", "image", "network", "kubernetes"}) {
        if (const YamlNode* written = node.find(key)) {
          diagnostics_.add(*written, fmt::format("`{}` belongs to `train` and `run` steps", key),
                           "mlpipe fetches files itself, on this machine");
        }
      }
      return;
    }
    step.runs_on = adjustments_.runs_on ? runs_on_ : read_runs_on(runs_on).value_or(runs_on_);
    if (network != nullptr && is_written_out(*network, diagnostics_)) {
      step.network = as_boolean(*network).value_or(false);
    }
    if (step.runs_on != RunsOn::local) {
      step.image = images_.use(node.find("image"), "trainer", step.runs_on == RunsOn::kubernetes);
    }
    if (step.runs_on == RunsOn::kubernetes) {
      read_cluster_step(node, step);
    }
  }

  void check_image_names() {
    if (const YamlNode* images = root_.find("images")) {
      for (const YamlEntry& entry : images->entries) {
        check_name(entry.key, entry.key_mark, "an image");
      }
    }
  }

  void apply_set(const std::string& assignment) {
    const std::size_t equals = assignment.find('=');
    const std::string name = assignment.substr(0, equals);
    std::vector<std::string> known;
    for (const auto& [param, value] : names_.params) {
      known.push_back(param);
    }
    if (!is_utf8(assignment)) {
      throw UsageError(fmt::format("--set {}: the value is not UTF-8 text", printable(name)));
    }
    if (equals == std::string::npos) {
      throw UsageError(fmt::format("--set {}: expected NAME=VALUE", printable(assignment)));
    }
    const auto param = names_.params.find(name);
    if (param == names_.params.end()) {
      throw UsageError(
          fmt::format("--set {}: the pipeline has no param '{}'", printable(assignment), printable(name)),
          suggest_name(name, known));
    }
    YamlNode value = param->second;
    value.scalar = assignment.substr(equals + 1);
    if (as_number(param->second) && !parse_number(value.scalar)) {
      throw UsageError(fmt::format("--set {}: '{}' is a number in the file ({}), and '{}' is none",
                                   printable(assignment), name, param->second.scalar,
                                   printable(value.scalar)));
    }
    param->second = std::move(value);
  }

  // What the author wrote once, as often as it is a step: a matrix step for each combination.
  struct Declared {
    const YamlEntry* entry = nullptr;
    std::string name;
    std::string group;
    std::map<std::string, YamlNode> matrix;
  };

  void expand_steps() {
    const YamlNode* steps = root_.find("steps");
    if (steps == nullptr) {
      return;
    }
    if (steps->is_mapping() && steps->entries.empty()) {
      diagnostics_.add(*steps, "there are no steps", "a pipeline has at least one");
    }
    declared_.reserve(steps->entries.size());
    for (const YamlEntry& entry : steps->entries) {
      check_name(entry.key, entry.key_mark, "a step");
      const YamlNode* matrix = entry.value.find("matrix");
      if (matrix == nullptr || !matrix->is_mapping()) {
        declared_.push_back({&entry, entry.key, "", {}});
        continue;
      }
      Matrix read = read_matrix(*matrix, references_, diagnostics_);
      MatrixGroup group{{}, read.fail_fast, read.max_parallel};
      for (Combination& combination : read.combinations) {
        std::string name = fmt::format("{}[{}]", entry.key, combination.name);
        group.members.push_back(name);
        declared_.push_back({&entry, std::move(name), entry.key, std::move(combination.values)});
      }
      names_.groups[entry.key] = group.members;
      spec_.groups[entry.key] = std::move(group);
    }
  }

  // What `${{ }}` may name while this step is read.
  void enter(const Declared& declared) {
    names_.matrix = declared.group.empty() ? nullptr : &declared.matrix;
    const YamlNode* finally = declared.entry->value.find("finally");
    names_.may_use_outcomes = finally != nullptr && as_boolean(*finally).value_or(false);
  }
  void leave() {
    names_.matrix = nullptr;
    names_.may_use_outcomes = false;
  }

  // The outputs of every step, before any reference is looked up: steps may stand in any order.
  void collect_outs() {
    for (const Declared& declared : declared_) {
      enter(declared);
      names_.outs[declared.name] = outs_of(declared.entry->value);
    }
    leave();
  }

  void read_steps() {
    spec_.steps.reserve(declared_.size());
    for (const Declared& declared : declared_) {
      enter(declared);
      spec_.steps.push_back(read_step(declared));
    }
    leave();
  }

  std::vector<std::string> outs_of(const YamlNode& step) {
    if (const YamlNode* fetch = step.find("fetch")) {
      const YamlNode* url = fetch->find("url");
      Usage usage;
      const auto text = url != nullptr && url->is_scalar() ? references_.text(*url, usage) : std::nullopt;
      return {text ? last_part_of_url(*text) : ""};
    }
    if (step.find("train") != nullptr) {
      return {"model", "report"};
    }
    std::vector<std::string> outs;
    for (const char* key : {"outs", "metrics"}) {
      const YamlNode* list = step.find(key);
      if (list == nullptr) {
        continue;
      }
      for (const YamlNode& item : list->items) {
        Usage usage;
        const auto text = item.is_scalar() ? references_.text(item, usage) : std::nullopt;
        if (text && std::find(outs.begin(), outs.end(), tidy(*text)) == outs.end()) {
          outs.push_back(tidy(*text));
        }
      }
    }
    return outs;
  }

  static std::string tidy(const std::string& path) {
    std::string text = std::filesystem::path(path).lexically_normal().string();
    while (text.size() > 1 && text.back() == '/') {
      text.pop_back();
    }
    return text;
  }

  Step read_step(const Declared& declared) {
    Step step;
    step.name = declared.name;
    step.group = declared.group;
    for (const auto& [axis, value] : declared.matrix) {
      step.matrix[axis] = value.scalar;
    }
    step.mark = declared.entry->key_mark;
    const YamlNode& node = declared.entry->value;
    if (!node.is_mapping()) {
      return step;
    }
    Usage usage;
    const bool has_action = read_action(node, step, usage);
    const bool may_be_run = !has_action || std::holds_alternative<RunAction>(step.action);
    read_paths(node, step, usage, may_be_run);
    read_environment(node, step, usage);
    read_rules(node, may_be_run, references_, usage, diagnostics_, step);
    read_container(node, step);
    read_needs(node, step);
    if (const auto selector = read_selector(node)) {
      step.select = *selector;
    }
    if (step.finally && node.find("needs") == nullptr) {
      last_steps_.insert(step.name);
    }
    read_condition(node, step);
    settle_order(step, usage);
    step.inputs.assign(usage.inputs.begin(), usage.inputs.end());
    step.params = usage.params;
    std::sort(step.deps.begin(), step.deps.end());
    step.deps.erase(std::unique(step.deps.begin(), step.deps.end()), step.deps.end());
    return step;
  }

  // Params that only the condition uses do not count towards the key, so they are no params of the step.
  void read_condition(const YamlNode& node, Step& step) {
    const YamlNode* condition = node.find("if");
    if (condition == nullptr || !condition->is_scalar() || condition->is_null()) {
      return;
    }
    Usage usage;
    step.condition = references_.condition(*condition, usage);
    if (!step.condition) {
      return;
    }
    for (const Expression* reference : references_in(step.condition->expression)) {
      if (const auto asked = step_reference(*reference)) {
        add_steps(asked->step, asked->metric.empty() ? step.after : step.needs);
      }
    }
  }

  void add_steps(const std::string& name, std::vector<std::string>& steps) const {
    for (const std::string& one : names_.steps_named(name)) {
      steps.push_back(one);
    }
  }

  // A finally step waits for what it needs and does not ask how that ended.
  void settle_order(Step& step, const Usage& usage) {
    for (const std::string& name : usage.outcomes) {
      add_steps(name, step.after);
      step.outcomes.push_back(name);
    }
    if (step.finally) {
      step.after.insert(step.after.end(), step.needs.begin(), step.needs.end());
      step.needs.clear();
    }
    for (auto* names : {&step.needs, &step.after}) {
      std::sort(names->begin(), names->end());
      names->erase(std::unique(names->begin(), names->end()), names->end());
    }
  }

  // A finally step that names nothing to wait for comes after every step that is none.
  void put_last_steps_after_the_others() {
    std::vector<std::string> others;
    for (const Step& step : spec_.steps) {
      if (!step.finally) {
        others.push_back(step.name);
      }
    }
    for (Step& step : spec_.steps) {
      if (last_steps_.contains(step.name)) {
        step.after.insert(step.after.end(), others.begin(), others.end());
        std::sort(step.after.begin(), step.after.end());
        step.after.erase(std::unique(step.after.begin(), step.after.end()), step.after.end());
      }
    }
  }

  // False, and a fault, when the step has no action or several.
  bool read_action(const YamlNode& node, Step& step, Usage& usage) {
    std::vector<std::string> actions;
    for (const char* action : {"fetch", "train", "run"}) {
      if (node.find(action) != nullptr) {
        actions.emplace_back(action);
      }
    }
    if (actions.size() != 1) {
      diagnostics_.add(step.mark,
                       actions.empty() ? fmt::format("step '{}' does nothing", step.name)
                                       : fmt::format("step '{}' has {}", step.name, join(actions, " and ")),
                       "a step has exactly one of fetch, train and run");
      return false;
    }
    const YamlNode& action = *node.find(actions.front());
    if (actions.front() == "fetch") {
      read_fetch(action, step, usage);
    } else if (actions.front() == "train") {
      read_train(action, step, usage);
    } else {
      read_run(action, step, usage);
    }
    return true;
  }

  void read_fetch(const YamlNode& node, Step& step, Usage& usage) {
    FetchAction fetch;
    const YamlNode* url = node.find("url");
    const YamlNode* hash = node.find("sha256");
    if (url != nullptr && url->is_scalar()) {
      fetch.url = references_.text(*url, usage).value_or("");
      const bool web = fetch.url.starts_with("http://") || fetch.url.starts_with("https://");
      const std::string file = last_part_of_url(fetch.url);
      if (!fetch.url.empty() && !web) {
        diagnostics_.add(*url, "expected an address that begins with http:// or https://");
      } else if (!fetch.url.empty() && (file.empty() || file == "." || file == "..")) {
        diagnostics_.add(*url, "the address does not end with a file name",
                         "the output is named after the address's last part");
      }
      step.outs = {file};
    }
    if (hash != nullptr && hash->is_scalar()) {
      fetch.sha256 = references_.text(*hash, usage).value_or("");
      std::transform(fetch.sha256.begin(), fetch.sha256.end(), fetch.sha256.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (!fetch.sha256.empty() && !Digest::is_hex(fetch.sha256)) {
        diagnostics_.add(*hash, "expected a SHA-256: 64 hexadecimal digits",
                         fetch.sha256.size() == 2 * Digest::size
                             ? "not all of it is hexadecimal; sha256sum prints one"
                             : fmt::format("it has {}; sha256sum prints one", fetch.sha256.size()));
      }
    }
    step.action = std::move(fetch);
  }

  void read_train(const YamlNode& node, Step& step, Usage& usage) {
    TrainAction train;
    train.model_name = spec_.name;
    const std::size_t faults_before = diagnostics_.size();
    train.config = references_.tree(node, usage);
    if (diagnostics_.size() == faults_before) {
      check_schema(training_schema(), train.config, diagnostics_);
    }
    if (diagnostics_.size() == faults_before && train.config.is_mapping()) {
      read_training(train.config, diagnostics_);
    }
    for (const YamlNode* data : data_file_nodes(train.config)) {
      if (!data->scalar.starts_with(std::string(inputs_folder) + "/")) {
        add_dependency(*data, data->scalar, step);
      }
    }
    step.outs = {"model", "report"};
    step.metrics = {"report/metrics.json"};
    step.action = std::move(train);
  }

  void read_run(const YamlNode& node, Step& step, Usage& usage) {
    RunAction run;
    if (node.is_scalar()) {
      run.shell = true;
      if (trim(node.scalar).empty()) {
        diagnostics_.add(node, "the command is empty");
      }
      run.arguments = {references_.script(node, usage).value_or("")};
    } else if (node.is_sequence()) {
      if (node.items.empty()) {
        diagnostics_.add(node, "the command is empty");
      }
      for (const YamlNode& item : node.items) {
        if (item.is_scalar()) {
          for (std::string& argument : references_.arguments(item, usage)) {
            run.arguments.push_back(std::move(argument));
          }
        }
      }
    }
    step.action = std::move(run);
  }

  void add_dependency(const YamlNode& node, const std::string& text, Step& step) {
    const std::string path = tidy(text);
    if (!is_inside_path(path) || path == ".") {
      diagnostics_.add(node, fmt::format("'{}' is not inside the pipeline's folder", printable(text)),
                       "paths are relative to the folder of pipeline.yaml and stay inside it");
    } else if (*std::filesystem::path(path).begin() == inputs_folder) {
      diagnostics_.add(node, "'inputs/' is where a job finds other steps' outputs",
                       "keep the project's own files in a folder of another name");
    } else {
      step.deps.push_back({path, node.mark});
    }
  }

  void read_paths(const YamlNode& node, Step& step, Usage& usage, bool may_name_outs) {
    if (const YamlNode* deps = node.find("deps")) {
      for (const YamlNode& item : deps->items) {
        if (const auto text = item.is_scalar() ? references_.text(item, usage) : std::nullopt) {
          add_dependency(item, *text, step);
        }
      }
    }
    for (const char* key : {"outs", "metrics"}) {
      const YamlNode* list = node.find(key);
      if (list == nullptr || !list->is_sequence()) {
        continue;
      }
      if (!may_name_outs) {
        diagnostics_.add(*list, fmt::format("`{}` belongs to `run` steps", key),
                         fmt::format("a {} step writes: {}", step.kind(), join(step.outs, ", ")));
        continue;
      }
      for (const YamlNode& item : list->items) {
        if (const auto text = item.is_scalar() ? references_.text(item, usage) : std::nullopt) {
          add_out(item, *text, std::string_view(key) == "metrics", step);
        }
      }
    }
    check_overlap(node, step);
  }

  void add_out(const YamlNode& node, const std::string& text, bool is_metrics, Step& step) {
    const std::string path = tidy(text);
    if (!is_inside_path(path) || path == "." || *std::filesystem::path(path).begin() == inputs_folder) {
      diagnostics_.add(node, fmt::format("'{}' is not a path inside the work directory", printable(text)));
      return;
    }
    if (is_metrics) {
      step.metrics.push_back(path);
      const bool covered = std::any_of(step.outs.begin(), step.outs.end(), [&](const std::string& out) {
        return path == out || path.starts_with(out + "/");
      });
      if (covered) {
        return;
      }
    } else if (std::find(step.outs.begin(), step.outs.end(), path) != step.outs.end()) {
      diagnostics_.add(node, fmt::format("the output '{}' is here twice", path));
      return;
    }
    step.outs.push_back(path);
  }

  void check_overlap(const YamlNode& node, const Step& step) {
    for (const std::string& outer : step.outs) {
      for (const std::string& inner : step.outs) {
        if (inner.starts_with(outer + "/")) {
          diagnostics_.add(*node.find("outs"),
                           fmt::format("the output '{}' lies inside the output '{}'", inner, outer));
        }
      }
    }
    const YamlNode* outs = node.find("outs");
    for (const Dependency& dep : step.deps) {
      if (outs != nullptr && std::find(step.outs.begin(), step.outs.end(), dep.path) != step.outs.end()) {
        diagnostics_.add(*outs, fmt::format("'{}' is both a dependency and an output", dep.path),
                         "a step does not change what it reads; write to another name");
      }
    }
  }

  void read_environment(const YamlNode& node, Step& step, Usage& usage) {
    const YamlNode* environment = node.find("env");
    if (environment == nullptr) {
      return;
    }
    for (const YamlEntry& entry : environment->entries) {
      if (entry.key.empty() || entry.key.find('=') != std::string::npos) {
        diagnostics_.add(entry.key_mark, "this cannot be the name of a variable");
      } else if (entry.key.starts_with("MLPIPE_")) {
        diagnostics_.add(entry.key_mark, "names that begin with MLPIPE_ are set by mlpipe itself");
      }
      if (const auto secret = entry.value.is_scalar() ? references_.secret(entry.value) : std::nullopt) {
        check_name(*secret, entry.value.mark, "a secret");
        step.secrets.push_back({entry.key, *secret, entry.value.mark});
      } else if (entry.value.is_scalar()) {
        if (const auto text = references_.text(entry.value, usage)) {
          step.environment[entry.key] = *text;
        }
      }
    }
  }

  // Nothing when the step or model names none, or one with a fault. A selector does not count towards the
  // step's key, so the params in it are none that the step uses.
  std::optional<Selector> read_selector(const YamlNode& node) {
    const YamlNode* select = node.find("select");
    Usage not_counted;
    const auto text =
        select != nullptr && select->is_scalar() ? references_.text(*select, not_counted) : std::nullopt;
    if (!text) {
      return std::nullopt;
    }
    try {
      return parse_selector(*text);
    } catch (const UsageError& error) {
      diagnostics_.add(*select, error.what(), error.hint());
      return std::nullopt;
    }
  }

  void read_needs(const YamlNode& node, Step& step) {
    const YamlNode* needs = node.find("needs");
    if (needs == nullptr) {
      return;
    }
    std::vector<const YamlNode*> items;
    if (needs->is_scalar()) {
      items.push_back(needs);
    }
    for (const YamlNode& item : needs->items) {
      items.push_back(&item);
    }
    for (const YamlNode* item : items) {
      if (!item->is_scalar() || item->is_null()) {
        continue;
      }
      if (names_.steps_named(item->scalar).empty()) {
        diagnostics_.add(*item, fmt::format("there is no step '{}'", printable(item->scalar)),
                         suggest_name(item->scalar, names_.step_names()));
      }
      add_steps(item->scalar, step.needs);
    }
  }

  void read_model() {
    const YamlNode* node = root_.find("model");
    if (node == nullptr || !node->is_mapping()) {
      return;
    }
    ModelSpec model;
    if (const YamlNode* name = node->find("name"); name != nullptr && name->is_scalar() && !name->is_null()) {
      check_name(name->scalar, name->mark, "a model");
      model.name = name->scalar;
    }
    if (const YamlNode* from = node->find("from"); from != nullptr && from->is_scalar()) {
      if (const auto input = references_.output(*from)) {
        model.from = *input;
      }
    }
    if (const YamlNode* gate = node->find("gate"); gate != nullptr && gate->is_scalar()) {
      read_gate(*gate, model);
    }
    for (Step& step : spec_.steps) {
      const bool combination = !step.group.empty() && step.group == model.from.step;
      if (step.name != model.from.step && !combination) {
        continue;
      }
      if (auto* train = std::get_if<TrainAction>(&step.action)) {
        train->model_name = model.name;
      }
      read_model_selector(*node, step);
      if (step.name != model.from.step && step.select.kind != Selector::Kind::best) {
        diagnostics_.add(*node->find("from"),
                         fmt::format("'{}' is a matrix, and a model is one of its outputs", model.from.step),
                         fmt::format("choose with `select: best(METRIC)`, or name one, as in "
                                     "${{{{ steps.{}.outs.{} }}}}",
                                     names_.groups.at(model.from.step).front(), model.from.out));
      }
    }
    spec_.model = std::move(model);
  }

  // `model.select` is the selector of the step that `model.from` names, said in another place.
  void read_model_selector(const YamlNode& node, Step& step) {
    const auto selector = read_selector(node);
    const YamlNode* written = root_.find("steps")->find(step.group.empty() ? step.name : step.group);
    const YamlNode* own = written != nullptr ? written->find("select") : nullptr;
    if (selector && own != nullptr && step.select != *selector) {
      diagnostics_.add(*node.find("select"),
                       fmt::format("step '{}' has `select: {}` already", step.name, step.select.text()),
                       "say it in one place");
      return;
    }
    if (selector) {
      step.select = *selector;
    }
    if (step.select.takes_many()) {
      diagnostics_.add(selector         ? *node.find("select")
                       : own != nullptr ? *own
                                        : *node.find("from"),
                       fmt::format("`{}` chooses several results, and a model is one", step.select.text()),
                       "choose one with latest, best(METRIC), only or exact(ID)");
    }
  }

  void read_gate(const YamlNode& node, ModelSpec& model) {
    try {
      const Template parsed = parse_template(node.scalar);
      if (const Expression* single = parsed.single_expression()) {
        model.gate = *single;
      } else {
        model.gate = parse_expression(node.scalar);
      }
      model.gate_text = std::string(trim(node.scalar));
      check_gate_names(*model.gate, node);
    } catch (const ExpressionError& error) {
      diagnostics_.add(mark_inside(node, error.offset()), error.what(), error.hint());
    }
  }

  void check_gate_names(const Expression& gate, const YamlNode& node) {
    for (const Expression* reference : references_in(gate)) {
      const auto& parts = reference->reference;
      const Mark mark = mark_inside(node, reference->offset);
      if (parts.size() == 1 || parts[0] == "current" || parts[0] == "params") {
        if (parts[0] == "params" && (parts.size() != 2 || !names_.params.contains(parts[1]))) {
          diagnostics_.add(mark, fmt::format("there is no '{}'", reference->reference_text()));
        }
        continue;
      }
      if (names_.groups.contains(parts[0])) {
        diagnostics_.add(mark,
                         fmt::format("'{}' is a matrix: each combination has metrics of its own", parts[0]),
                         fmt::format("name one, as in {}.{}", names_.groups.at(parts[0]).front(), parts[1]));
      } else if (!names_.outs.contains(parts[0])) {
        std::vector<std::string> known = names_.step_names();
        known.insert(known.begin(), {"current", "params"});
        diagnostics_.add(mark, fmt::format("there is no step '{}'", parts[0]), suggest_name(parts[0], known));
      }
    }
  }

  void read_deploy() {
    const YamlNode* node = root_.find("deploy");
    if (node == nullptr || !node->is_mapping()) {
      return;
    }
    if (root_.find("model") == nullptr) {
      diagnostics_.add(*node, "a deployment needs a model",
                       "add `model:` with its name and where it comes from");
    }
    DeploySpec deploy = read_deployment(*node, references_, images_, place_, diagnostics_);
    if (const YamlNode* alias = node->find("alias"); alias != nullptr && !alias->is_null()) {
      check_name(deploy.alias, alias->mark, "an alias");
    }
    spec_.deploy = std::move(deploy);
  }

  void read_remote() {
    const YamlNode* node = root_.find("remote");
    const YamlNode* url = node == nullptr || node->is_scalar() ? node : node->find("url");
    if (url == nullptr || !url->is_scalar() || url->is_null()) {
      return;
    }
    Usage usage;
    RemoteSpec remote;
    remote.url = references_.text(*url, usage).value_or("");
    const bool known = remote.url.starts_with("oci://") || remote.url.starts_with("s3://") ||
                       remote.url.starts_with("pvc://");
    if (!remote.url.empty() && !known) {
      diagnostics_.add(*url, fmt::format("'{}' is no remote", printable(remote.url)),
                       "write oci://HOST/REPOSITORY, s3://BUCKET/PREFIX or pvc://CLAIM/FOLDER");
    }
    if (const YamlNode* required = node->is_scalar() ? nullptr : node->find("required")) {
      remote.required = as_boolean(*required).value_or(false);
    }
    spec_.remote = std::move(remote);
  }

  void require_remote() {
    const auto in_cluster = std::find_if(spec_.steps.begin(), spec_.steps.end(),
                                         [](const Step& step) { return step.runs_on == RunsOn::kubernetes; });
    if (in_cluster != spec_.steps.end() && root_.find("remote") == nullptr) {
      diagnostics_.add(in_cluster->mark,
                       fmt::format("'{}' runs on Kubernetes, and there is no `remote`", in_cluster->name),
                       "a Job gets its inputs and leaves what it made there: add "
                       "`remote: oci://HOST/REPOSITORY` or `remote: pvc://CLAIM/FOLDER`");
    }
  }

  const YamlNode& root_;
  const Adjustments& adjustments_;
  Diagnostics& diagnostics_;
  Names names_;
  References references_;
  Images images_;
  RunsOn runs_on_ = RunsOn::local;  // where a step runs that does not say
  ClusterPlace place_;              // of pods that do not say
  Spec spec_;
  std::vector<Declared> declared_;
  std::set<std::string> last_steps_;  // finally steps that come after all others
};

// Also those that are not used: a fault in a profile is said before the day on which it is.
void check_profiles(const YamlNode& profiles, Diagnostics& diagnostics) {
  static const Schema one_or_more = schema::map("", profile_schema(), "profile");
  check_schema(one_or_more, profiles, diagnostics);
}

}  // namespace

Spec read_spec(const std::filesystem::path& file, YamlDocument document, const Adjustments& adjustments) {
  Diagnostics diagnostics(document);
  if (document.root.is_null()) {
    throw SpecError({{document.file, 0, 0, "", "the file is empty", "`mlpipe init` writes one that runs"}});
  }
  if (const YamlNode* profiles = document.root.find("profiles")) {
    check_profiles(*profiles, diagnostics);
  }
  apply_profile(document.root, adjustments.profile);
  check_schema(pipeline_schema(), document.root, diagnostics);
  Spec spec = Reader(file, document, adjustments, diagnostics).read();
  spec.document = std::make_shared<const YamlDocument>(std::move(document));
  return spec;
}

Spec load_spec(const std::filesystem::path& file, const Adjustments& adjustments) {
  YamlLimits limits;
  limits.bytes = largest_pipeline_file;
  return read_spec(file, read_yaml_file(file, limits), adjustments);
}

}  // namespace mlpipe

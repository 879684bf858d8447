#include "pipeline/exec/outline.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "pipeline/base/build_id.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/mapped_file.hpp"
#include "pipeline/base/pack.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/exec/tool_identity.hpp"
#include "pipeline/spec/packed.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using State = PlannedStep::State;

constexpr std::string_view magic = "mlpipe-outline 1\n";
using Index = std::uint32_t;  // of a step or a dependency of the outline

// The file: magic, the digest of the head, the head with its size before it, one DependencyRecord after the
// other, one StepRecord after the other.
struct Head {
  std::string key;
  FileStamp pipeline;
  LookedAt looked_at;
  FileStamp blobs;  // of the store's folders: as long as they are unchanged, nothing was taken out of them
  FileStamp trees;
  std::int64_t stored_at = 0;                 // when the two were looked at
  std::map<ToolPlace, std::string> programs;  // of `tools`
  LookedAtImages images;
  std::string spec;  // pack_head
  std::uint64_t steps = 0;
  std::uint64_t open_steps = 0;   // those that are not closed
  std::vector<Index> essential;   // steps that the effects look at, ascending
  std::string essential_records;  // and their records once more, for when no others are needed
  std::uint64_t dependencies_size = 0;
  Digest dependencies;
  Digest step_records;
};

struct DependencyRecord {
  std::string text;
  std::vector<Watched> watched;
  DependencyFiles files;
};

// A step in place. `closed`: it has its result, and needs to be looked at again only when a dependency, a
// step before it or the results of its key change.
struct StepRecord {
  std::string_view name;
  bool closed = false;
  std::string_view planned;       // a packed PlannedStep
  std::string_view dependencies;  // an Index each
  std::string_view upstream;      // an Index each; they stand before this one
  std::string_view step;          // pack_step

  static StepRecord read(Unpacker& unpacker) {
    StepRecord record;
    record.name = unpacker.view();
    record.closed = unpacker.get<bool>();
    record.planned = unpacker.view();
    record.dependencies = unpacker.view();
    record.upstream = unpacker.view();
    record.step = unpacker.view();
    return record;
  }
};

}  // namespace

auto members(OneOf<LookedAt> auto& looked_at) {
  auto& [clock, newest_result] = looked_at;
  return std::tie(clock, newest_result);
}
auto members(OneOf<FileStamp> auto& stamp) {
  auto& [size, modified, changed, inode, device] = stamp;
  return std::tie(size, modified, changed, inode, device);
}
auto members(OneOf<Watched> auto& watched) {
  auto& [path, stamp] = watched;
  return std::tie(path, stamp);
}
auto members(OneOf<LookedAtImages> auto& images) {
  auto& [files, in_engine] = images;
  return std::tie(files, in_engine);
}
auto members(OneOf<DependencyFile> auto& file) {
  auto& [path, digest, executable] = file;
  return std::tie(path, digest, executable);
}
auto members(OneOf<Tools> auto& tools) {
  auto& [architecture, trainer, fetcher, default_threads] = tools;
  return std::tie(architecture, trainer, fetcher, default_threads);
}
auto members(OneOf<ToolPlace> auto& place) {
  auto& [name, path] = place;
  return std::tie(name, path);
}
auto members(OneOf<Output> auto& output) {
  auto& [name, folder, digest, bytes] = output;
  return std::tie(name, folder, digest, bytes);
}
auto members(OneOf<Result> auto& result) {
  auto& [id, action_key, succeeded, failure, failure_kind, outputs, metrics, log, started, finished] = result;
  return std::tie(id, action_key, succeeded, failure, outputs, metrics, log, started, finished);
}
// What is known of a step whatever the run; why it ran, and its recipe, are of that run.
auto members(OneOf<PlannedStep> auto& planned) {
  auto& [step, with_outcomes, state, retries, forced, anew, reasons, derivation, action, action_key, chosen,
         result, kept] = planned;
  return std::tie(derivation, action_key, chosen);
}

namespace {

auto members(OneOf<Head> auto& head) {
  auto& [key, pipeline, looked_at, blobs, trees, stored_at, programs, images, spec, steps, open_steps,
         essential, essential_records, dependencies_size, dependencies, step_records] = head;
  return std::tie(key, pipeline, looked_at, blobs, trees, stored_at, programs, images, spec, steps,
                  open_steps, essential, essential_records, dependencies_size, dependencies, step_records);
}
auto members(OneOf<DependencyRecord> auto& record) {
  auto& [text, watched, files] = record;
  return std::tie(text, watched, files);
}

std::string key_text(const Outline::Key& key) {
  Packer packer;
  packer.put(build_id_of(path_of_own_executable()).value_or(""));
  packer.put(key.file.string());
  packer.put(key.adjustments.set);
  packer.put(key.adjustments.profile);
  packer.put(key.adjustments.runs_on);
  packer.put(key.tools);
  return packer.bytes();
}

// Each profile has its own: people go from one to another and back.
fs::path outline_path(const Store& store, const Outline::Key& key) {
  const std::string whose = key.file.string() + '\0' + key.adjustments.profile.value_or("");
  return store.directory() / "outlines" / digest_of(whose).hex();
}

PlannedStep read_planned(const StepRecord& record) {
  Unpacker unpacker(record.planned);
  PlannedStep planned = unpacker.get<PlannedStep>();
  planned.state = State::cached;
  return planned;
}

std::vector<Index> read_indices(std::string_view bytes) {
  std::vector<Index> indices(bytes.size() / sizeof(Index));
  std::memcpy(indices.data(), bytes.data(), indices.size() * sizeof(Index));
  return indices;
}

std::string index_bytes(const std::vector<Index>& indices) {
  return {reinterpret_cast<const char*>(indices.data()), indices.size() * sizeof(Index)};
}

bool is_as_it_was(int project, const Watched& watched, std::int64_t looked_at) {
  const auto stamp = stamp_of(project, watched.path.c_str());
  return stamp == watched.stamp && (!stamp || stamp->is_settled(looked_at));
}

// The newest result of each key that was added after `newest`.
std::unordered_map<Digest, std::int64_t> results_since(const Store& store, std::int64_t newest) {
  std::unordered_map<Digest, std::int64_t> added;
  Statement query =
      store.database().prepare("SELECT action_key, MAX(id) FROM results WHERE id > ? GROUP BY action_key");
  query.bind(newest);
  while (query.step()) {
    added[query.digest(0)] = query.integer(1);
  }
  return added;
}

// Which steps use a tool that changed is for the whole plan to say: it happens rarely.
bool tools_are_as_they_were(const std::map<ToolPlace, std::string>& programs, FileHashes& hashes) {
  return std::all_of(programs.begin(), programs.end(), [&](const auto& program) {
    return identity_of_tool(program.first, hashes) == program.second;
  });
}

// An image that has to be built again, or looked for, is for the whole plan to say.
bool images_are_as_they_were(const Head& head, const fs::path& project) {
  const FileDescriptor folder = open_file(project, O_RDONLY | O_DIRECTORY);
  const auto& files = head.images.files;
  return std::all_of(
             files.begin(), files.end(),
             [&](const Watched& file) { return is_as_it_was(folder.get(), file, head.looked_at.clock); }) &&
         are_as_they_were(head.images.in_engine);
}

bool bytes_are_there(const Store& store, const PlannedStep& planned) {
  return std::all_of(planned.chosen.begin(), planned.chosen.end(),
                     [&](const Result& result) { return store.is_complete(result); });
}

// Replaced as a whole or not at all. It is not synced: its digests tell when a power cut tore it.
void replace_file(const fs::path& path, std::span<const std::string_view> parts) {
  const fs::path temporary = fmt::format("{}.{}", path.string(), ::getpid());
  {
    const FileDescriptor file = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (const std::string_view part : parts) {
      write_all(file.get(), part, temporary.string());
    }
  }
  fs::rename(temporary, path);
}

}  // namespace

LookedAt LookedAt::now(const Store* store) {
  LookedAt looked_at;
  looked_at.clock = stamp_clock();
  if (store != nullptr) {
    Statement query = store->database().prepare("SELECT COALESCE(MAX(id), 0) FROM results");
    query.step();
    looked_at.newest_result = query.integer(0);
  }
  return looked_at;
}

struct Outline::Content {
  MappedFile file;
  Head head;
  std::string_view dependencies;
  std::string_view steps;

  static std::optional<Content> read(const fs::path& path) {
    auto file = MappedFile::open(path);
    if (!file || !file->bytes().starts_with(magic)) {
      return std::nullopt;
    }
    Unpacker unpacker(file->bytes().substr(magic.size()));
    const auto digest = unpacker.get<Digest>();
    const std::string_view head_bytes = unpacker.view();
    if (digest_of(head_bytes) != digest) {
      return std::nullopt;
    }
    Unpacker head_unpacker(head_bytes);
    Content content{std::move(*file), head_unpacker.get<Head>(), {}, {}};
    if (unpacker.rest().size() < content.head.dependencies_size) {
      return std::nullopt;
    }
    content.dependencies = unpacker.rest().substr(0, content.head.dependencies_size);
    content.steps = unpacker.rest().substr(content.head.dependencies_size);
    if (digest_of(content.dependencies) != content.head.dependencies) {
      return std::nullopt;
    }
    return content;
  }

  template <typename Use>
  void for_each_step(const Use& use) const {
    Unpacker unpacker(steps);
    for (Index i = 0; i < head.steps; ++i) {
      use(i, StepRecord::read(unpacker));
    }
  }
};

namespace {

// Finds out which steps of an outline have to be planned again.
class Review {
 public:
  Review(const Head& head, std::string_view dependencies, std::string_view steps, const Store& store,
         const Spec& spec)
      : head_(head), dependencies_(dependencies), steps_(steps), store_(store), project_(spec.project) {}

  // False when a dependency is no longer there.
  bool look_at_dependencies(FileHashes& hashes) {
    const FileDescriptor folder = open_file(project_, O_RDONLY | O_DIRECTORY);
    std::unordered_map<std::string, std::pair<Index, DependencyFiles>> old;
    Unpacker unpacker(dependencies_);
    DependencyRecord record;
    for (Index i = 0; !unpacker.rest().empty(); ++i) {
      unpacker.get(record);
      const bool unchanged = std::all_of(
          record.watched.begin(), record.watched.end(),
          [&](const Watched& watched) { return is_as_it_was(folder.get(), watched, head_.looked_at.clock); });
      if (unchanged) {
        continue;
      }
      FoundDependency found = find_dependency(project_, record.text);
      std::error_code error;
      if (found.files.empty() && !fs::is_directory(project_ / record.text, error)) {
        return false;
      }
      files_[record.text] = std::move(found.files);
      watched_[record.text] = std::move(found.watched);
      old[record.text] = {i, std::move(record.files)};
    }
    hash_dependencies(project_, hashes, files_);
    for (auto& [text, was] : old) {
      if (files_.at(text) != was.second) {
        changed_dependencies_.insert(was.first);
      }
    }
    return true;
  }

  void look_at_results() {
    newest_result_ = LookedAt::now(&store_).newest_result;
    if (newest_result_ > head_.looked_at.newest_result) {
      added_ = results_since(store_, head_.looked_at.newest_result);
    }
    const auto is_untouched = [&](const char* name, const FileStamp& was) {
      const auto stamp = stamp_of(store_.directory() / name);
      return stamp && *stamp == was && stamp->is_settled(head_.stored_at);
    };
    bytes_may_be_gone_ = !is_untouched("blobs/sha256", head_.blobs) || !is_untouched("trees", head_.trees);
  }

  bool anything_anew() const {
    return !watched_.empty() || newest_result_ > head_.looked_at.newest_result || bytes_may_be_gone_ ||
           head_.open_steps > 0;
  }

  // Marks the steps to plan again and what they hang on.
  void choose_steps() {
    chosen_.assign(head_.steps, false);
    again_.assign(head_.steps, false);
    for (const Index index : head_.essential) {
      chosen_.at(index) = true;
    }
    Unpacker unpacker(steps_);
    for (Index i = 0; i < head_.steps; ++i) {
      const StepRecord record = StepRecord::read(unpacker);
      const std::vector<Index> upstream = read_indices(record.upstream);
      again_[i] = !record.closed || any(read_indices(record.dependencies), changed_dependencies_) ||
                  std::any_of(upstream.begin(), upstream.end(), [&](Index u) { return again_.at(u); }) ||
                  results_changed(record);
      if (again_[i]) {
        chosen_[i] = true;
        for (const Index before : upstream) {
          chosen_[before] = true;
        }
      }
    }
  }

  // Fills in the part with the chosen steps and their dependencies.
  void describe(Outline::Part& part) {
    std::set<Index> needed;
    Unpacker unpacker(steps_);
    for (Index i = 0; i < head_.steps; ++i) {
      const StepRecord record = StepRecord::read(unpacker);
      if (!chosen_[i]) {
        continue;
      }
      add_step(record, !again_[i], part);
      if (again_[i]) {
        const std::vector<Index> dependencies = read_indices(record.dependencies);
        needed.insert(dependencies.begin(), dependencies.end());
      }
    }
    part.snapshot.dependencies = std::move(files_);
    part.watched = std::move(watched_);
    Unpacker records(needed.empty() ? std::string_view() : dependencies_);
    for (Index i = 0; !records.rest().empty(); ++i) {
      auto record = records.get<DependencyRecord>();
      if (needed.contains(i)) {
        part.snapshot.dependencies.try_emplace(record.text, std::move(record.files));
      }
    }
  }

  // The same where nothing has to be planned again.
  void describe_essential(Outline::Part& part) const {
    Unpacker unpacker(head_.essential_records);
    while (!unpacker.rest().empty()) {
      add_step(StepRecord::read(unpacker), true, part);
    }
  }

 private:
  static bool any(const std::vector<Index>& indices, const std::unordered_set<Index>& of) {
    return !of.empty() &&
           std::any_of(indices.begin(), indices.end(), [&](Index index) { return of.contains(index); });
  }

  static void add_step(const StepRecord& record, bool known, Outline::Part& part) {
    Unpacker step(record.step);
    part.spec.steps.push_back(unpack_step(step));
    if (known) {
      part.known.steps.emplace(record.name, read_planned(record));
    }
  }

  bool results_changed(const StepRecord& record) const {
    if (added_.empty() && !bytes_may_be_gone_) {
      return false;
    }
    const PlannedStep planned = read_planned(record);
    return added_.contains(planned.action_key) || (bytes_may_be_gone_ && !bytes_are_there(store_, planned));
  }

  const Head& head_;
  std::string_view dependencies_;
  std::string_view steps_;
  const Store& store_;
  fs::path project_;
  std::map<std::string, DependencyFiles> files_;  // of every dependency that was looked at anew
  WatchedDependencies watched_;
  std::unordered_set<Index> changed_dependencies_;
  std::unordered_map<Digest, std::int64_t> added_;
  std::int64_t newest_result_ = 0;
  bool bytes_may_be_gone_ = false;
  std::vector<bool> chosen_;
  std::vector<bool> again_;
};

}  // namespace

std::optional<Outline> Outline::find(const Store& store, const Key& key) {
  try {
    auto content = Content::read(outline_path(store, key));
    if (!content || content->head.key != key_text(key)) {
      return std::nullopt;
    }
    const auto stamp = stamp_of(key.file);
    if (!stamp || *stamp != content->head.pipeline || !stamp->is_settled(content->head.looked_at.clock)) {
      return std::nullopt;
    }
    Outline outline;
    outline.content_ = std::make_shared<const Content>(std::move(*content));
    return outline;
  } catch (const Error&) {  // damaged: the whole file is read instead
    return std::nullopt;
  }
}

std::optional<Outline::Part> Outline::look_again(const Store& store, FileHashes& hashes) const {
  try {
    const Head& head = content_->head;
    Part part;
    Unpacker unpacker(head.spec);
    part.spec = unpack_head(unpacker);
    Review review(head, content_->dependencies, content_->steps, store, part.spec);
    if (!review.look_at_dependencies(hashes) || !tools_are_as_they_were(head.programs, hashes) ||
        !images_are_as_they_were(head, part.spec.project)) {
      return std::nullopt;
    }
    review.look_at_results();
    part.outdated = review.anything_anew();
    if (!part.outdated) {
      review.describe_essential(part);
    } else {
      if (digest_of(content_->steps) != head.step_records) {
        return std::nullopt;
      }
      review.choose_steps();
      review.describe(part);
      if (part.plans_an_image()) {
        return std::nullopt;
      }
    }
    part.known.left_out = head.steps - part.spec.steps.size();
    part.snapshot.results = &store;
    part.snapshot.programs = head.programs;
    return part;
  } catch (const Error&) {  // whatever it is, reading everything says it better
    return std::nullopt;
  }
}

bool Outline::Part::plans_an_image() const {
  return std::any_of(spec.steps.begin(), spec.steps.end(), [this](const Step& step) {
    return std::holds_alternative<ImageAction>(step.action) && !known.steps.contains(step.name);
  });
}

void Outline::for_each_step(const Plan& part, const StepVisitor& visit) const {
  content_->for_each_step([&](Index, const StepRecord& record) {
    const std::string name(record.name);
    if (const PlannedStep* planned = part.find(name)) {
      visit(name, *planned);
    } else {
      visit(name, read_planned(record));
    }
  });
}

void for_each_step(const Plan& plan, const std::optional<Outline>& outline, const StepVisitor& visit) {
  if (outline) {
    outline->for_each_step(plan, visit);
    return;
  }
  for (const PlannedStep& planned : plan.steps()) {
    visit(planned.step->name, planned);
  }
}

// Puts an outline together, step by step.
class OutlineWriter {
 public:
  OutlineWriter(const Store& store, const Spec& spec, const Plan& plan, const LookedAt& looked_at)
      : store_(store), spec_(spec), plan_(plan), added_(results_since(store, looked_at.newest_result)) {
    head_.looked_at = looked_at;
    for (const auto& [key, newest] : added_) {
      head_.looked_at.newest_result = std::max(head_.looked_at.newest_result, newest);
    }
    Packer packer;
    pack_head(spec, packer);
    head_.spec = packer.bytes();
  }

  void add_all(const Snapshot& snapshot, const WatchedDependencies& watched, const LookedAtImages& images) {
    head_.programs = snapshot.programs;
    head_.images = images;
    std::unordered_map<std::string_view, Index> dependency_index;
    for (const auto& [text, files] : snapshot.dependencies) {
      dependency_index.emplace(text, static_cast<Index>(dependency_index.size()));
      dependencies_.put(DependencyRecord{text, watched.at(text), files});
    }
    std::unordered_map<std::string_view, Index> step_index;
    for (const PlannedStep& planned : plan_.steps()) {
      const Step& step = *planned.step;
      const std::size_t before = steps_.bytes().size();
      std::vector<Index> dependencies;
      std::vector<Index> upstream;
      for (const Dependency& dependency : step.deps) {
        dependencies.push_back(dependency_index.at(dependency.path));
      }
      for (const std::string& name : spec_.upstream(step)) {
        upstream.push_back(step_index.at(name));
      }
      for (const std::string& name : step.after) {
        upstream.push_back(step_index.at(name));
      }
      step_index.emplace(step.name, static_cast<Index>(head_.steps));
      Packer packed;
      pack_step(step, packed);
      add_step(step.name, planned, index_bytes(dependencies), index_bytes(upstream), packed.bytes());
      if (is_essential(step)) {
        add_essential(steps_.bytes().substr(before));
      }
    }
  }

  // The records of the previous outline, but for what was looked at since.
  void add_changes(const Outline& outline, const Snapshot& snapshot, const WatchedDependencies& watched) {
    const Outline::Content& previous = *outline.content_;
    head_.programs = snapshot.programs;
    head_.images = previous.head.images;
    Unpacker unpacker(previous.dependencies);
    while (!unpacker.rest().empty()) {
      const std::string_view before = unpacker.rest();
      auto record = unpacker.get<DependencyRecord>();
      const auto fresh = watched.find(record.text);
      if (fresh == watched.end()) {
        dependencies_.append(before.substr(0, before.size() - unpacker.rest().size()));
      } else {
        dependencies_.put(
            DependencyRecord{record.text, fresh->second, snapshot.dependencies.at(record.text)});
      }
    }
    Unpacker steps(previous.steps);
    for (Index i = 0; i < previous.head.steps; ++i) {
      const std::size_t size_before = steps_.bytes().size();
      const std::string_view rest = steps.rest();
      const StepRecord record = StepRecord::read(steps);
      if (const PlannedStep* planned = plan_.find(record.name)) {
        add_step(record.name, *planned, record.dependencies, record.upstream, record.step);
      } else {
        steps_.append(rest.substr(0, rest.size() - steps.rest().size()));
        ++head_.steps;
      }
      if (std::binary_search(previous.head.essential.begin(), previous.head.essential.end(), i)) {
        add_essential(steps_.bytes().substr(size_before));
      }
    }
  }

  void write(const Outline::Key& key, const FileStamp& pipeline) {
    head_.key = key_text(key);
    head_.pipeline = pipeline;
    head_.stored_at = stamp_clock();
    head_.blobs = stamp_of(store_.directory() / "blobs" / "sha256").value_or(FileStamp{});
    head_.trees = stamp_of(store_.directory() / "trees").value_or(FileStamp{});
    head_.dependencies_size = dependencies_.bytes().size();
    head_.dependencies = digest_of(dependencies_.bytes());
    head_.step_records = digest_of(steps_.bytes());
    Packer head;
    head.put(head_);
    Packer beginning;
    beginning.append(magic);
    beginning.put(digest_of(head.bytes()));
    beginning.put(head.bytes());
    const fs::path path = outline_path(store_, key);
    fs::create_directories(path.parent_path());
    const std::array<std::string_view, 3> parts = {beginning.bytes(), dependencies_.bytes(), steps_.bytes()};
    replace_file(path, parts);
  }

 private:
  bool is_essential(const Step& step) const {
    const bool behind_model =
        spec_.model && (step.name == spec_.model->from.step || step.group == spec_.model->from.step);
    const bool behind_deployment =
        spec_.deploy && ((spec_.deploy->image && step.name == spec_.deploy->image->step) ||
                         (spec_.deploy->gateway_image && step.name == spec_.deploy->gateway_image->step));
    return spec_.model && (behind_model || behind_deployment || !step.metrics.empty());
  }

  // The step that was added last.
  void add_essential(const std::string& record) {
    head_.essential.push_back(static_cast<Index>(head_.steps - 1));
    head_.essential_records += record;
  }

  void add_step(std::string_view name, const PlannedStep& planned, std::string_view dependencies,
                std::string_view upstream, std::string_view step) {
    bool closed = planned.state == State::cached || planned.state == State::succeeded;
    if (const auto added = added_.find(planned.action_key); closed && added != added_.end()) {
      closed = added->second == (planned.result ? *planned.result : planned.chosen.back()).id;
    }
    Packer packed;
    packed.put(planned);
    steps_.put(std::string(name));
    steps_.put(closed);
    steps_.put(packed.bytes());
    steps_.put(std::string(dependencies));
    steps_.put(std::string(upstream));
    steps_.put(std::string(step));
    ++head_.steps;
    head_.open_steps += closed ? 0 : 1;
  }

  const Store& store_;
  const Spec& spec_;
  const Plan& plan_;
  std::unordered_map<Digest, std::int64_t> added_;  // results that came since the plan was made
  Head head_;
  Packer dependencies_;
  Packer steps_;
};

void write_outline(const Store& store, const Outline::Key& key, const FileStamp& pipeline, const Spec& spec,
                   const Plan& plan, const Snapshot& snapshot, const WatchedDependencies& watched,
                   const LookedAt& looked_at, const LookedAtImages& images, const Outline* previous) {
  try {
    OutlineWriter writer(store, spec, plan, looked_at);
    if (previous != nullptr) {
      writer.add_changes(*previous, snapshot, watched);
    } else {
      writer.add_all(snapshot, watched, images);
    }
    writer.write(key, pipeline);
  } catch (const std::exception&) {  // without one the next run reads the whole file
  }
}

}  // namespace mlpipe

#include "pipeline/run/beginning.hpp"

namespace mlpipe {
namespace {

bool begin_with_outline(Beginning& beginning, FileHashes& hashes, const Store& store) {
  beginning.outline = Outline::find(store, beginning.key);
  auto part = beginning.outline ? beginning.outline->look_again(store, hashes) : std::nullopt;
  if (!part) {
    beginning.outline.reset();
    return false;
  }
  beginning.spec = std::make_shared<const Spec>(std::move(part->spec));
  beginning.snapshot = std::move(part->snapshot);
  beginning.snapshot.tools = beginning.key.tools;
  beginning.known = std::move(part->known);
  beginning.watched = std::move(part->watched);
  beginning.worth_remembering = part->outdated;
  return true;
}

}  // namespace

void Beginning::remember(const Store& store, const Plan& plan) const {
  if (worth_remembering) {
    write_outline(store, key, pipeline, *spec, plan, snapshot, watched, looked_at,
                  outline ? &*outline : nullptr);
  }
}

Beginning begin(const RunRequest& request, const std::filesystem::path& file, const Programs& programs,
                FileHashes& hashes, const Store* store) {
  Beginning beginning;
  const bool usual = request.plan.force.empty() && !request.plan.until && !request.dry_run;
  beginning.looked_at = LookedAt::now(store);
  beginning.pipeline = stamp_of(file).value_or(FileStamp{});
  beginning.key = {file, request.adjustments, find_tools(programs, hashes)};
  if (usual && !request.whole && store != nullptr && begin_with_outline(beginning, hashes, *store)) {
    return beginning;
  }
  beginning.spec = std::make_shared<const Spec>(load_spec(request.file, request.adjustments));
  static const NoResults no_results;
  beginning.snapshot = take_snapshot(*beginning.spec, programs, hashes,
                                     store != nullptr ? static_cast<const ResultSource&>(*store) : no_results,
                                     &beginning.watched);
  beginning.worth_remembering = usual;
  return beginning;
}

}  // namespace mlpipe

#include "pipeline/run/beginning.hpp"

#include <algorithm>

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

bool has_images(const Spec& spec) {
  return std::any_of(spec.steps.begin(), spec.steps.end(),
                     [](const Step& step) { return std::holds_alternative<ImageAction>(step.action); });
}

}  // namespace

void Beginning::remember(const Store& store, const Plan& plan) const {
  if (worth_remembering) {
    const LookedAtImages looked_at_images = {
        image_files, images_behind(plan, store.blobs(), images ? images->seen() : EngineImages{})};
    write_outline(store, key, pipeline, *spec, plan, snapshot, watched, looked_at, looked_at_images,
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
                                     &beginning.watched, &beginning.image_files);
  if (store != nullptr && has_images(*beginning.spec)) {
    beginning.images = std::make_unique<ResultsInEngine>(*store, *beginning.spec, beginning.snapshot);
    beginning.snapshot.results = beginning.images.get();
  }
  beginning.worth_remembering = usual;
  return beginning;
}

}  // namespace mlpipe

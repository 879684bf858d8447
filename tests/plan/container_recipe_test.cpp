// What counts of a step that runs in a container.
#include <gtest/gtest.h>

#include "pipeline/plan/derivation.hpp"
#include "tests/plan/fixtures.hpp"

namespace mlpipe {
namespace {

constexpr const char* text = R"(name: recipes
runs-on: container
steps:
  clean: { run: [clean], tools: [sh] }
  train: { train: { data: { csv: a.csv, target: y }, network: [linear: auto], epochs: 1 } }
)";

Digest key_of(const std::string& where, const std::string& step, const Snapshot& snapshot,
              const std::string& image) {
  std::string pipeline = text;
  pipeline.replace(pipeline.find("container"), 9, where);
  const Spec spec = spec_of(pipeline);
  return recipe_of(*spec.find_step(step), snapshot, [&](const Input&) { return image; }).digest();
}

Snapshot machine_with(const std::string& program) {
  Snapshot snapshot;
  snapshot.tools = {"x86_64", program, "1", 2};
  snapshot.programs[{"sh", ""}] = program;
  return snapshot;
}

TEST(ContainerRecipe, LeavesOutWhatTheImageHasInstead) {
  for (const char* step : {"clean", "train"}) {
    EXPECT_EQ(key_of("container", step, machine_with("one"), "file:1"),
              key_of("container", step, machine_with("other"), "file:1"));
    EXPECT_NE(key_of("local", step, machine_with("one"), "file:1"),
              key_of("local", step, machine_with("other"), "file:1"));
  }
}

TEST(ContainerRecipe, HoldsTheImage) {
  for (const char* step : {"clean", "train"}) {
    EXPECT_NE(key_of("container", step, machine_with("one"), "file:1"),
              key_of("container", step, machine_with("one"), "file:2"));
    EXPECT_EQ(key_of("local", step, machine_with("one"), "file:1"),
              key_of("local", step, machine_with("one"), "file:2"));
  }
}

}  // namespace
}  // namespace mlpipe

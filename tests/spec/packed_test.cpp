#include "pipeline/spec/packed.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

constexpr const char* pipeline = R"(name: digits
params: { lr: 0.1 }
steps:
  data: { fetch: { url: "http://h/a.csv", sha256: 731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1 } }
  train:
    train: { data: { csv: "${{ steps.data.outs['a.csv'] }}", target: y }, network: [linear: auto], epochs: 2 }
    timeout: 2h
  check:
    run: ["wc", "${{ steps.train.outs.model }}"]
    deps: [check.py]
    metrics: [report.json]
    env: { A: "1" }
    needs: data
    select: best(f1, min)
  sweep:
    run: echo ${{ matrix.n }}
    matrix: { n: [1, 2], fail-fast: false, max-parallel: 1 }
    if: params.lr > 0 and steps.check.metrics.f1 > 0.5 or steps.data.outcome == 'failed'
    env: { TOKEN: "${{ secrets.TOKEN }}" }
    tools: [sh]
    retry: { limit: 2, when: [killed], backoff: 3s, factor: 1.5, max-backoff: 9s }
    resources: { cpu: 500m, memory: 1Gi, gpu: 0 }
  last: { run: "echo ${{ steps.sweep.outcome }}", finally: true }
model: { name: digits, from: "${{ steps.train.outs.model }}", gate: accuracy >= 0.9 and check.f1 > current.accuracy - 1 }
deploy: { target: kubernetes, kubernetes: { namespace: n } }
remote: pvc://claim
kubernetes: { tolerations: [{ key: a, seconds: 3 }], labels: { a: b } }
)";

Spec spec() {
  return read_spec("/p/pipeline.yaml", parse_yaml("pipeline.yaml", pipeline), {});
}

std::string packed(const Step& step) {
  Packer packer;
  pack_step(step, packer);
  return packer.bytes();
}

TEST(Packed, StepsComeBackAsTheyWere) {
  for (const Step& step : spec().steps) {
    const std::string bytes = packed(step);
    Unpacker unpacker(bytes);
    const Step back = unpack_step(unpacker);
    EXPECT_TRUE(unpacker.rest().empty());
    EXPECT_EQ(back.name, step.name);
    EXPECT_EQ(back.kind(), step.kind());
    EXPECT_EQ(back.inputs, step.inputs);
    EXPECT_EQ(back.environment, step.environment);
    EXPECT_EQ(back.timeout, step.timeout);
    EXPECT_EQ(back.select, step.select);
    EXPECT_EQ(packed(back), bytes);
  }
}

TEST(Packed, TheHeadComesBackAsItWas) {
  const Spec before = spec();
  Packer packer;
  pack_head(before, packer);
  Unpacker unpacker(packer.bytes());
  const Spec back = unpack_head(unpacker);
  EXPECT_TRUE(unpacker.rest().empty());
  EXPECT_EQ(back.file, before.file);
  EXPECT_EQ(back.project, before.project);
  EXPECT_EQ(back.params, before.params);
  EXPECT_EQ(back.groups.at("sweep").members, before.groups.at("sweep").members);
  EXPECT_EQ(back.groups.at("sweep").max_parallel, 1U);
  EXPECT_EQ(back.model->from, before.model->from);
  EXPECT_EQ(references_in(*back.model->gate).size(), 3U);
  EXPECT_EQ(back.deploy->place, before.deploy->place);
  EXPECT_EQ(back.deploy->place.tolerations.front().seconds, 3);
  EXPECT_EQ(back.cluster, before.cluster);
  Packer again;
  pack_head(back, again);
  EXPECT_EQ(again.bytes(), packer.bytes());
}

TEST(Packed, BytesThatEndTooEarlyAreRefused) {
  for (const Step& step : spec().steps) {
    const std::string bytes = packed(step);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Unpacker unpacker(std::string_view(bytes).substr(0, size));
      EXPECT_THROW(unpack_step(unpacker), Error) << size;
    }
  }
}

}  // namespace
}  // namespace mlpipe
